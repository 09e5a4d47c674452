#!/usr/bin/env bash
# smtp-server 3.21.6 (npm), the SMTP server of the nodemailer family.
#
# A client says MAIL FROM:<ann@xn--exmple-cua.org>, pure ASCII, without SMTPUTF8. One expects the handler to be given
# the address that was sent. It is given ann@ex<a-umlaut>mple.org: smtp-server decodes each xn-- label of a domain, in senders and
# recipients. A look-up of the recipient by the name on the wire misses, and an address handed on as it stands asks for SMTPUTF8
# on the next hop, which this client never used and the next server may not have. The session's own note says
# smtpUtf8=false meanwhile. A second change: parameters named in the command get upper-case keys, and
# their values are xtext-decoded ("b+2Bc" becomes "b+c"), in whatever parameter, also in those that are not xtext.
#
# Seen (ASCII escapes by the script):
#   sender ann@ex\u00e4mple.org smtpUtf8=false X-ANY=b+c
#   recipient bob@ex\u00e4mple.org
set -euo pipefail
dir=$(mktemp -d); trap 'rm -rf "$dir"' EXIT; cd "$dir"
npm install --silent --no-audit --no-fund --prefix "$dir" smtp-server@3.21.6 >npm.log 2>&1 || { cat npm.log >&2; exit 3; }

cat >probe.mjs <<'JS'
import net from 'node:net';
import { SMTPServer } from 'smtp-server';

const ascii = text => text.replace(/[^ -~]/g, c => '\\u' + c.charCodeAt(0).toString(16).padStart(4, '0'));
const server = new SMTPServer({
    authOptional: true, disabledCommands: ['AUTH', 'STARTTLS'], disableReverseLookup: true,
    onMailFrom(address, session, done) {
        console.log(ascii(`sender ${address.address} smtpUtf8=${session.envelope.smtpUtf8} X-ANY=${address.args['X-ANY']}`));
        done();
    },
    onRcptTo(address, session, done) {
        console.log(ascii(`recipient ${address.address}`));
        done();
    },
});
await new Promise(up => server.listen(0, '127.0.0.1', up));
const client = net.connect(server.server.address().port, '127.0.0.1');
const reply = () => new Promise(told => {
    let heard = '';
    const more = octets => {
        heard += octets;
        if (/^\d{3} .*\r\n$/m.test(heard)) { client.off('data', more); told(heard); }
    };
    client.on('data', more);
});
await reply();
for (const line of ['EHLO client.example.org', 'MAIL FROM:<ann@xn--exmple-cua.org> x-any=b+2Bc', 'RCPT TO:<bob@xn--exmple-cua.org>']) {
    const answer = reply();
    client.write(line + '\r\n');
    await answer;
}
client.destroy();
server.close();
JS
timeout 30 node probe.mjs >seen
cat seen
cat >wanted <<'WANTED'
sender ann@ex\u00e4mple.org smtpUtf8=false X-ANY=b+c
recipient bob@ex\u00e4mple.org
WANTED
diff wanted seen || { echo 'CHANGED: smtp-server hands addresses over otherwise now' >&2; exit 1; }
