// node nodemailer_client.js PORT FILE SENDER RECIPIENT...: sends the file as it is.
'use strict';
const fs = require('fs');
const nodemailer = require('nodemailer');

const [port, file, from, ...to] = process.argv.slice(2);
const transport = nodemailer.createTransport({
  host: '127.0.0.1', port: Number(port), secure: false, ignoreTLS: true, name: 'nodemailer.test',
});
transport.sendMail({ envelope: { from, to, use8BitMime: true }, raw: fs.readFileSync(file) }, (error) => {
  if (error) {
    console.error(error);
    process.exitCode = 1;
  }
});
