// nodemailer's smtp-server. Its module is looked for where NODE_PATH says.
const fs = require("fs");
const { SMTPServer } = require("smtp-server");

const [port, certfile, keyfile] = process.argv.slice(2);

const options = {
    authOptional: true,
    disabledCommands: ["AUTH", "STARTTLS"],
    disableReverseLookup: true,
    size: 128 * 1024 * 1024,
    onData(stream, session, callback) {
        stream.resume();
        stream.on("end", () => callback(null, "queued as 1"));
    },
};
if (certfile) {
    Object.assign(options, { secure: true, cert: fs.readFileSync(certfile), key: fs.readFileSync(keyfile) });
}

const server = new SMTPServer(options);
server.on("error", () => {}); // a client that hangs up
server.listen({ port: Number(port), host: "127.0.0.1", backlog: 1024 });
