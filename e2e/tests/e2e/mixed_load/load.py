"""Apps of all kinds at once, for so many seconds, each at its own pace.

Says one line of JSON at the end: how many of each thing were done, and every error.
"""

import base64, http.client, imaplib, json, os, poplib, smtplib, socket, ssl, threading, time

ask = os.environ
trust = ssl.create_default_context(cafile=ask["CA"])
people = json.loads(ask["PEOPLE"])
end = time.monotonic() + float(ask["SECONDS"])
done, errors, lock = {}, [], threading.Lock()


def port(name):
    return int(ask[name])


def count(what):
    with lock:
        done[what] = done.get(what, 0) + 1


def imap_short(login, secret):
    c = imaplib.IMAP4_SSL("localhost", port("IMAP"), ssl_context=trust)
    c.login(login, secret)
    c.select("INBOX")
    c.fetch("1", "(RFC822)")
    c.logout()


def imap_wrong(login, secret):
    c = imaplib.IMAP4_SSL("localhost", port("IMAP"), ssl_context=trust)
    try:
        c.login(login, "aaaa-bbbb-cccc-dddd-eeee-ffff")
    except imaplib.IMAP4.error:
        c.logout()
    else:
        raise AssertionError("a wrong password was let in")


def send(login, secret):
    c = smtplib.SMTP("localhost", port("SUBMISSION_STARTTLS"))
    c.starttls(context=trust)
    c.login(login, secret)
    c.sendmail(login, [login], "Subject: load\r\n\r\n" + "x" * 2000 + "\r\n")
    c.quit()


def pop(login, secret):
    c = poplib.POP3_SSL("localhost", port("POP3"), context=trust)
    c.user(login)
    c.pass_(secret)
    c.stat()
    c.quit()


def web(at, method, path, body=None):
    def go(login, secret):
        c = http.client.HTTPSConnection("localhost", port(at), context=trust)
        key = base64.b64encode(f"{login}:{secret}".encode()).decode()
        for _ in range(5):
            c.request(method, path.format(login=login), body, {"Authorization": "Basic " + key, "Depth": "0"})
            answer = c.getresponse()
            answer.read()
            if answer.status >= 300:
                raise AssertionError(f"{method} {at}: {answer.status}")
        c.close()

    return go


def idle(login, secret):
    """One session for all the time; it must not be lost."""
    c = imaplib.IMAP4_SSL("localhost", port("IMAP"), ssl_context=trust)
    c.login(login, secret)
    c.select("INBOX")
    while time.monotonic() < end:
        time.sleep(min(20, max(0, end - time.monotonic())))
        c.noop()
        count("noop in a session that stays")
    c.logout()
    count("session that stayed to the end")


def again(name, doing, pace, who):
    while time.monotonic() < end:
        began = time.monotonic()
        try:
            doing(*who)
            count(name)
        except Exception as error:
            with lock:
                errors.append(f"{name}: {type(error).__name__} {error}")
        time.sleep(max(0, pace - (time.monotonic() - began)))


def stay(who):
    try:
        idle(*who)
    except Exception as error:
        with lock:
            errors.append(f"a session was lost: {type(error).__name__} {error}")


pace = float(ask["PACE"])
threads = []
for at, who in enumerate(people):
    kinds = [
        ("imap", imap_short, 1),
        ("send", send, 4),
        ("pop3", pop, 2),
        ("calendar", web("DAV", "PROPFIND", "/{login}/"), 1),
        ("file put", web("DRIVE", "PUT", f"/{at}.bin", os.urandom(200_000)), 3),
        ("file get", web("DRIVE", "PROPFIND", "/"), 2),
    ]
    if at == 0:
        kinds.append(("refused", imap_wrong, 4))
    threads += [threading.Thread(target=again, args=(n, f, pace * p, who)) for n, f, p in kinds]
    threads += [threading.Thread(target=stay, args=(who,)) for _ in range(5)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(json.dumps({"done": done, "errors": errors[:20], "failed": len(errors)}))
