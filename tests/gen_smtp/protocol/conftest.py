"""The assertions of the shared client explain themselves as those of the tests do."""

import pytest

pytest.register_assert_rewrite("tests.gen_smtp.protocol.client")
