#!/usr/bin/env bash
# nodemailer 10.6.1 (npm), its ordinary SMTP transport, with the default settings and with pool.
#
# RFC 5321 has a client end a session with QUIT and wait for the 221, and so one expects it of a widely used mail
# client of Node.js. nodemailer sends none, neither after a delivered message nor after a refused one, nor when a pool
# is closed: it just closes the connection once it has the last reply. So on the server each of its sessions looks
# like one whose client has gone away in the middle ("lost connection"), though nothing has gone wrong, and what a
# server does only at QUIT it never does for them.
#
# Seen, what the server gets after the session's last command or message:
#   one message: closed without QUIT
#   refused sender: closed without QUIT
#   pool of two messages: closed without QUIT

set -euo pipefail
dir=$(mktemp -d); trap 'rm -rf "$dir"' EXIT; cd "$dir"
npm install --silent --no-audit --no-fund --prefix "$dir" nodemailer@10.6.1 >npm.log 2>&1 || { cat npm.log >&2; exit 3; }

cat >probe.mjs <<'JS'
import net from 'node:net';
import nodemailer from 'nodemailer';

let ends;
const server = net.createServer(socket => {
    let inMessage = false, rest = '', last = 'nothing';
    socket.write('220 peer.example.org ESMTP\r\n');
    socket.on('error', () => {});
    socket.on('data', octets => {
        const lines = (rest + octets.toString('latin1')).split('\r\n');
        rest = lines.pop();
        for (const line of lines) {
            if (inMessage) {
                if (line !== '.') continue;
                inMessage = false;
                socket.write('250 taken\r\n');
                continue;
            }
            last = line.split(' ')[0].toUpperCase();
            if (last === 'QUIT') socket.end('221 bye\r\n');
            else if (last === 'DATA') { inMessage = true; socket.write('354 go on\r\n'); }
            else if (line.includes('<refused@')) socket.write('550 not you\r\n');
            else socket.write('250 ok\r\n');
        }
    });
    socket.on('end', () => { ends(last === 'QUIT' ? 'QUIT' : 'closed without QUIT'); socket.end(); });
});
await new Promise(up => server.listen(0, '127.0.0.1', up));

const mail = from => ({ from, to: 'bob@example.org', subject: 'hello', text: 'hello' });
const transport = options => nodemailer.createTransport({ host: '127.0.0.1', port: server.address().port, ...options });
const ended = () => new Promise(told => { ends = told; });

let end = ended();
await transport().sendMail(mail('ann@example.org'));
console.log('one message:', await end);
end = ended();
await transport().sendMail(mail('refused@example.org')).catch(() => {});
console.log('refused sender:', await end);
end = ended();
const pool = transport({ pool: true, maxConnections: 1 });
for (let i = 0; i < 2; i++) await pool.sendMail(mail('ann@example.org'));
pool.close();
console.log('pool of two messages:', await end);
server.close();
JS
timeout 30 node probe.mjs >seen
cat seen
cat >wanted <<'WANTED'
one message: closed without QUIT
refused sender: closed without QUIT
pool of two messages: closed without QUIT
WANTED
diff wanted seen || { echo 'CHANGED: nodemailer ends its sessions otherwise now' >&2; exit 1; }
