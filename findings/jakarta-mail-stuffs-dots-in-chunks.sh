#!/usr/bin/env bash
# Jakarta Mail (JavaMail) 2.0.0 (Debian libjakarta-mail-java 2.0.0-2), its SMTP transport with mail.smtp.chunksize.
#
# A server offers CHUNKING and the program asks for chunks, so the message goes by BDAT. RFC 3030 section 2 has the
# octets of a chunk counted instead of searched for an end, and wants no transparency: the server takes them as they
# are. Jakarta Mail doubles the dot at the beginning of a line nevertheless, as behind DATA, and counts it, so nothing
# looks wrong to either side. Each such line of the delivered message has a dot too many, which breaks signatures,
# patches and anything in 8bit or binary. By DATA the same program delivers the same message as it was.
#
# Seen, the lines of the body as a server has them that reads BDAT and DATA as their RFCs want it:
#   message: ['one', '.two', '..three', 'four']
#   by DATA: ['one', '.two', '..three', 'four']
#   by BDAT: ['one', '..two', '...three', 'four']

set -euo pipefail
mail='2.0.0-2'
dir=$(mktemp -d); trap 'rm -rf "$dir"' EXIT; cd "$dir"
command -v javac >/dev/null || command -v ecj >/dev/null || { echo 'needs javac or ecj, and java' >&2; exit 3; }
apt-get download -q "libjakarta-mail-java=$mail" libjakarta-activation-java=2.0.0-1 >/dev/null 2>&1 ||
    { echo "Debian package libjakarta-mail-java $mail cannot be had: is an 'apt-get update' needed?" >&2; exit 3; }
for deb in *.deb; do dpkg-deb -x "$deb" root; done
jars=$dir/root/usr/share/java
classes="$jars/jakarta-mail.jar:$jars/jakarta-activation.jar"

cat >Send.java <<'JAVA'
import jakarta.mail.*;
import jakarta.mail.internet.*;
import java.io.FileInputStream;
import java.util.Properties;

public class Send {
    public static void main(String[] given) throws Exception {
        Properties properties = new Properties();
        properties.put("mail.smtp.chunksize", given[1]);
        properties.put("mail.smtp.from", "ann@example.org");
        Session session = Session.getInstance(properties);
        Transport transport = session.getTransport("smtp");
        transport.connect("127.0.0.1", Integer.parseInt(given[0]), null, null);
        transport.sendMessage(new MimeMessage(session, new FileInputStream("message")),
            new Address[] {new InternetAddress("bob@example.org")});
        transport.close();
    }
}
JAVA
if command -v javac >/dev/null; then javac -cp "$classes" Send.java; else ecj -proc:none -11 -cp "$classes" Send.java; fi

cat >probe.py <<'PY'
import socket
import subprocess
import sys
import threading

MESSAGE = b"Subject: dots\r\n\r\none\r\n.two\r\n..three\r\nfour\r\n"
listener = socket.create_server(("127.0.0.1", 0))
bodies = []


def lines_of(octets):
    return octets.partition(b"\r\n\r\n")[2].decode().splitlines()


def serve(client):
    read = client.makefile("rb")
    message = b""
    client.sendall(b"220 mx.example.org ESMTP\r\n")
    while line := read.readline():
        verb, *rest = line.decode().split()
        reply = "250 ok"
        if verb == "EHLO":
            reply = "250-mx.example.org\r\n250 CHUNKING"
        elif verb == "BDAT":
            message += read.read(int(rest[0]))
            if rest[1:] == ["LAST"]:
                bodies.append(lines_of(message))
        elif verb == "DATA":
            client.sendall(b"354 go on\r\n")
            taken = []
            while (each := read.readline()) != b".\r\n":
                taken.append(each.removeprefix(b".") if each.startswith(b".") else each)
            bodies.append(lines_of(b"".join(taken)))
        client.sendall(reply.encode() + b"\r\n")
        if verb == "QUIT":
            break
    client.close()


def listen():
    while True:
        serve(listener.accept()[0])


threading.Thread(target=listen, daemon=True).start()
open("message", "wb").write(MESSAGE)
print("message:", lines_of(MESSAGE))
for name, octets in (("by DATA:", -1), ("by BDAT:", 10)):
    subprocess.run(["java", "-cp", sys.argv[1], "Send", str(listener.getsockname()[1]), str(octets)], check=True)
    print(name, bodies.pop())
PY
timeout 100 python3 probe.py "$classes:$dir" >seen || exit 3
cat seen
cat >wanted <<'WANTED'
message: ['one', '.two', '..three', 'four']
by DATA: ['one', '.two', '..three', 'four']
by BDAT: ['one', '..two', '...three', 'four']
WANTED
diff wanted seen || { echo 'CHANGED: Jakarta Mail sends dots in chunks otherwise now' >&2; exit 1; }
