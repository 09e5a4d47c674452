// Sends what comes on standard input with nodemailer: node send.js '{"transport": {...}, "message": {...}}'
const fs = require("fs");
const nodemailer = require("nodemailer");

const { transport, message } = JSON.parse(process.argv[2]);
nodemailer
  .createTransport(transport)
  .sendMail({ ...message, raw: fs.readFileSync(0) })
  .then(
    (info) => console.log(info.response),
    (error) => {
      console.error(error.message);
      process.exit(1);
    },
  );
