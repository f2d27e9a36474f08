// Sends one message.
import { createTransport } from "nodemailer";

const { PORT, STARTTLS, LOGIN, SECRET, SUBJECT } = process.env;
const transport = createTransport({
  host: "localhost",
  port: +PORT,
  secure: STARTTLS !== "yes",
  requireTLS: STARTTLS === "yes",
  auth: { user: LOGIN, pass: SECRET },
});
await transport.sendMail({ from: LOGIN, to: "bob@example.org", subject: SUBJECT, text: "Hello." });
transport.close();
