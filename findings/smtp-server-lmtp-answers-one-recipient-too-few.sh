#!/usr/bin/env bash
# smtp-server 3.21.6 (npm), with its option lmtp.
#
# In LMTP each recipient that was accepted gets a reply of its own after the message, in the order of the RCPT
# commands; the client counts on it. smtp-server accepts every RCPT with a 250, but if it has the address already (it
# compares without regard to case, in the local part too) the new spelling takes the place of the earlier one in its
# envelope, without a word. After four accepted RCPTs, two of them alike, three replies come. A client that pairs them
# up in order reads dan's result as that of the second bob, and takes the reply to its next command for dan's, or
# waits for it until its time-out.
#
# Seen (RCPT for bob, carl, BOB and dan):
#   RCPT: 250 250 250 250
#   envelope: BOB@example.org, carl@example.org, dan@example.org
#   replies to the message: for BOB@example.org | for carl@example.org | for dan@example.org

set -euo pipefail
dir=$(mktemp -d); trap 'rm -rf "$dir"' EXIT; cd "$dir"
npm install --silent --no-audit --no-fund --prefix "$dir" smtp-server@3.21.6 >npm.log 2>&1 || { cat npm.log >&2; exit 3; }

cat >probe.mjs <<'JS'
import net from 'node:net';
import { SMTPServer } from 'smtp-server';

const server = new SMTPServer({
    lmtp: true, authOptional: true, disabledCommands: ['AUTH', 'STARTTLS'], disableReverseLookup: true,
    onData(stream, session, done) {
        const names = session.envelope.rcptTo.map(recipient => recipient.address);
        stream.resume().on('end', () => {
            console.log('envelope:', names.join(', '));
            done(null, names.map(name => 'for ' + name));
        });
    },
});
await new Promise(up => server.listen(0, '127.0.0.1', up));
const client = net.connect(server.server.address().port, '127.0.0.1');
let heard = '';
client.on('data', octets => { heard += octets; });
const replies = async line => {
    heard = '';
    client.write(line + '\r\n');
    await new Promise(later => setTimeout(later, 500));
    return heard.trim().split('\r\n').filter(reply => reply[3] === ' ');
};
await new Promise(greeted => client.once('data', greeted));
await replies('LHLO client.example.org');
await replies('MAIL FROM:<ann@example.org>');
const codes = [];
for (const name of ['bob', 'carl', 'BOB', 'dan']) codes.push((await replies(`RCPT TO:<${name}@example.org>`))[0].slice(0, 3));
console.log('RCPT:', codes.join(' '));
await replies('DATA');
console.log('replies to the message:', (await replies('Subject: x\r\n\r\nx\r\n.')).map(reply => reply.slice(4)).join(' | '));
client.destroy();
server.close();
JS
timeout 30 node probe.mjs >seen
cat seen
cat >wanted <<'WANTED'
RCPT: 250 250 250 250
envelope: BOB@example.org, carl@example.org, dan@example.org
replies to the message: for BOB@example.org | for carl@example.org | for dan@example.org
WANTED
diff wanted seen || { echo 'CHANGED: smtp-server counts its LMTP replies otherwise now' >&2; exit 1; }
