// Prints the subjects in the inbox.
import { ImapFlow } from "imapflow";

const { PORT, STARTTLS, LOGIN, SECRET } = process.env;
const client = new ImapFlow({
  host: "localhost",
  port: +PORT,
  secure: STARTTLS !== "yes",
  auth: { user: LOGIN, pass: SECRET },
  logger: false,
});
await client.connect();
await client.list();
const lock = await client.getMailboxLock("INBOX");
for await (const message of client.fetch("1:*", { envelope: true })) {
  console.log(message.envelope.subject);
}
lock.release();
await client.logout();
