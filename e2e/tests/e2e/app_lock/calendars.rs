//! Apps that look into the calendar.

use std::process::Command;

use super::apps::{ALICE, Visit};

pub(super) fn curl(visit: &Visit<'_>) -> Command {
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--show-error", "--cacert", &visit.ca(), "--user", &format!("{ALICE}:{}", visit.secret)]);
    curl.arg(format!("https://localhost:{}/{ALICE}/calendar/one.ics", visit.port));
    curl
}

pub(super) fn python(visit: &Visit<'_>) -> Command {
    let script = format!(
        "import base64, ssl, urllib.request\n\
         trust = ssl.create_default_context(cafile={:?})\n\
         r = urllib.request.Request('https://localhost:{}/{ALICE}/calendar/one.ics')\n\
         r.add_header('Authorization', 'Basic ' + base64.b64encode(b'{ALICE}:{}').decode())\n\
         print(urllib.request.urlopen(r, context=trust).read().decode())\n",
        visit.ca(),
        visit.port,
        visit.secret,
    );
    let mut python = Command::new("python3");
    python.args(["-c", &script]);
    python
}

pub(super) fn vdirsyncer(visit: &Visit<'_>) -> Command {
    let config = format!(
        "[general]\nstatus_path = \"{home}/status\"\n\
         [pair events]\na = \"near\"\nb = \"far\"\ncollections = [\"calendar\"]\n\
         [storage near]\ntype = \"filesystem\"\npath = \"{home}/events\"\nfileext = \".ics\"\n\
         [storage far]\ntype = \"caldav\"\nurl = \"https://localhost:{}/\"\nusername = \"{ALICE}\"\n\
         password = \"{}\"\nverify = \"{}\"\n",
        visit.port,
        visit.secret,
        visit.ca(),
        home = visit.home.display(),
    );
    let config = visit.write("config", &config).display().to_string();
    visit.shell(&format!("yes | vdirsyncer --config {config} discover; vdirsyncer --config {config} sync"))
}

pub(super) fn calcurse(visit: &Visit<'_>) -> Command {
    let config = format!(
        "[General]\nBinary = calcurse\nHostname = localhost:{}\nPath = /{ALICE}/calendar/\nAuthMethod = basic\n\
         InsecureSSL = No\nHTTPS = Yes\nSyncFilter = cal,todo\nDryRun = No\nVerbose = Yes\n[Auth]\nUsername = {ALICE}\n",
        visit.port,
    );
    visit.write(".config/calcurse/caldav/config", &config);
    visit.write(".local/share/calcurse/apts", "");
    visit.write(".local/share/calcurse/todo", "");
    // Debian's, whatever other Python may be there.
    let mut calcurse = Command::new("/usr/bin/python3");
    calcurse.args(["/usr/bin/calcurse-caldav", "--init", "keep-remote"]);
    calcurse.env("HTTPLIB2_CA_CERTS", visit.ca()).env("CALCURSE_CALDAV_PASSWORD", visit.secret);
    calcurse
}
