//! A warm sign-in decision: everything it needs is in the cache, as it is for who
//! signs in again. State, network and scope are looked at, the live session is
//! entered and left, the use is enqueued. Beside it, what a guess at a primary
//! password costs.

use argon2::{Algorithm, Argon2, Params, Version};
use authority::{Client, Door, Secret};
use fingerprint::{Dialogue, Signature, imap, spoken, tls::ClientHello};
use keeper::{HashCost, Judged, Keeper, SignIn, SignInAttempt};

use crate::{
    Extent, Outcome,
    report::{Goal, Line, Unit, tell},
    series::Series,
    site::{self, HOME},
    stopwatch::WorkWatch,
};

const ACCOUNTS: u64 = 1_000;
const PASSES: u64 = 200;
const HASHES: u32 = 20;
/// What Thunderbird 153 says first over TLS.
const THUNDERBIRD: &[u8] = include_bytes!("thunderbird.hello");

pub(crate) fn measure(extent: &Extent) -> Outcome<Vec<Line>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(in_turns(extent))
}

async fn in_turns(extent: &Extent) -> Outcome<Vec<Line>> {
    let folder = site::folder()?;
    let (keeper, door) = (site::open(folder.path()).await?, site::door()?);
    let mut people = vec![];
    for number in 0..ACCOUNTS {
        let mandate = site::account(&keeper, number).await?;
        let issued = keeper.issue(&mandate, site::request()?).await?;
        let login = site::login(number);
        // The first use is committed, and is another matter.
        site::sign_in(&keeper, &login, &issued.secret, &door).await?;
        people.push((login, issued.secret));
    }
    for (login, secret) in &people {
        judged(&keeper, login, secret, &door).await?;
    }
    let (mut warm, mut hash, mut judging) = (Series::default(), Series::default(), Series::default());
    for round in 1..=extent.rounds(9) {
        tell(&format!("decision: warm, round {round}"));
        let watch = WorkWatch::start();
        for _ in 0..PASSES {
            for (login, secret) in &people {
                site::sign_in(&keeper, login, secret, &door).await?;
            }
        }
        warm.push(watch.micros() / (PASSES * ACCOUNTS) as f64);
        let watch = WorkWatch::start();
        for _ in 0..PASSES {
            for (login, secret) in &people {
                judged(&keeper, login, secret, &door).await?;
            }
        }
        judging.push(watch.micros() / (PASSES * ACCOUNTS) as f64);
        hash.push(argon2id()?);
    }
    let (ratio, lock) = (hash.over(&warm), judging.less(&warm));
    Ok(vec![
        Line::new("sign-in decision, warm", warm, Unit::Micros).promised(Goal::AtMost(2.0)).beside(
            "quicker than Argon2id",
            ratio,
            Unit::Times,
            None,
        ),
        Line::new("  Argon2id, 19 MiB, two passes", hash, Unit::Micros),
        Line::new("  app lock: hello, signature, judgement", lock, Unit::Micros).promised(Goal::AtMost(3.0)),
    ])
}

/// The same in an app that shows itself once it believes to be in, as over IMAP: its
/// hello is read, its signature made and compared, the state read once more.
async fn judged(keeper: &Keeper, login: &str, secret: &Secret, door: &Door) -> Outcome<()> {
    let attempt = SignInAttempt { login, acting_as: None, secret, door, from: HOME, client: Client::ToShow };
    let SignIn::Provisional(sign_in, session) = keeper.sign_in(attempt).await else {
        return Err(format!("{login} was to be let in provisionally").into());
    };
    let family = ClientHello::read(THUNDERBIRD)?.family();
    let mut seen = imap::Dialogue::default();
    seen.signs_in(b"2", spoken::SignIn::sasl(b"authenticate", b"PLAIN", false));
    seen.after(b"3", b"ID");
    seen.names_itself(b"Thunderbird");
    seen.first(b"4", b"list", []);
    match keeper.judge(sign_in, &session, Signature::new(Some(&family), &Dialogue::Imap(seen))).await {
        Judged::Stays => Ok(()),
        other => Err(format!("{login} was to stay: {other:?}").into()),
    }
}

/// Microseconds for one hash at the cost that Postern uses.
fn argon2id() -> Outcome<f64> {
    let HashCost { memory, passes } = HashCost::default();
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, Params::new(memory, passes, 1, Some(32))?);
    let mut out = [0; 32];
    let watch = WorkWatch::start();
    for _ in 0..HASHES {
        argon2.hash_password_into(b"correct horse battery staple", &[1; 16], &mut out)?;
    }
    Ok(watch.micros() / f64::from(HASHES))
}
