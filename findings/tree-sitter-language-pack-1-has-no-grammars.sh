#!/usr/bin/env bash
# tree-sitter-language-pack 0.13.0 and 1.25.0 (PyPI), with tree-sitter 0.25.2.
#
# The package is known for its wheels, which hold the compiled grammars of some 170 languages: get_parser("erlang") works
# wherever it is installed. One expects that of a later version, whose get_parser has the same name and arguments. From
# 1.0 on a wheel holds no grammar at all. The first get_parser of a language fetches a list and then a library from
# GitHub, so a program that was built with network, and runs in a container without, raises DownloadError there.
#
# Seen:
#   0.13.0: an Erlang grammar in the package: True, parsed without network: True
#   1.25.0: an Erlang grammar in the package: False, parsed without network: DownloadError

set -euo pipefail
dir=$(mktemp -d); trap 'rm -rf "$dir"' EXIT; cd "$dir"

cat >probe.py <<'PY'
import importlib.metadata, pathlib
import tree_sitter_language_pack as pack

folder = pathlib.Path(pack.__file__).parent
held = any("erlang" in path.name for path in folder.rglob("*.so"))
try:
    parser = pack.get_parser("erlang")
    tree = parser.parse(b"f(X) -> X.\n")
    parsed = "fun_decl" in str(tree.root_node)
except Exception as error:
    parsed = type(error).__name__
version = importlib.metadata.version("tree-sitter-language-pack")
print(f"{version}: an Erlang grammar in the package: {held}, parsed without network: {parsed}")
PY

for version in 0.13.0 1.25.0; do
    python3 -m venv "venv-$version"
    "venv-$version/bin/pip" install -q tree-sitter==0.25.2 "tree-sitter-language-pack==$version" 2>pip.log || { cat pip.log >&2; exit 3; }
    # No proxy is at port 9, and the cache is empty: nothing can be fetched.
    HOME=$dir XDG_CACHE_HOME=$dir/cache http_proxy=http://127.0.0.1:9 https_proxy=http://127.0.0.1:9 \
        HTTP_PROXY=http://127.0.0.1:9 HTTPS_PROXY=http://127.0.0.1:9 "venv-$version/bin/python" probe.py
done | tee seen

diff seen - <<'EXPECTED'
0.13.0: an Erlang grammar in the package: True, parsed without network: True
1.25.0: an Erlang grammar in the package: False, parsed without network: DownloadError
EXPECTED
