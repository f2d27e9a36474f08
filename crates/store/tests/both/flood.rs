//! Ten thousand wrong secrets a second, and the people among them.

use std::{net::IpAddr, sync::Arc};

use authority::{
    AppName, AppPasswordRequest, AppPasswordRules, Catalogue, Client, Cutoff, Domain, Door, Label, LockMode, Login,
    Networks, Protocol, Secret, Timestamp,
};
use keeper::{AddAccount, HashCost, Keeper, Keys, ServerKey, SignIn, SignInAttempt, Site as Rules, Store};
use testkit::{FixedClock, Seeded, contract};
use tokio::task::JoinSet;

use super::Site;

const FLOOD: u32 = 10_000;
const PEOPLE: u32 = 20;

async fn keeper(store: Box<dyn Store>) -> Keeper {
    let site = Rules {
        domain: Domain::parse("example.org").unwrap(),
        issuer: "Example".into(),
        cutoff: Cutoff::Enforced,
        rules: AppPasswordRules::default(),
        hash_cost: HashCost { memory: 64, passes: 1 },
        apps: Catalogue::default(),
    };
    let keys = Keys::new(ServerKey::new([1; 32]), contract::key());
    let clock = FixedClock::new(Timestamp::from_millis(1_800_000_000_000));
    Keeper::new(site, store, keys, Box::new(clock), Box::new(Seeded::new(1))).await.unwrap()
}

fn imap() -> Door {
    Door { name: Arc::from("imap"), protocol: Protocol::Imap, needs: "mail".parse().unwrap() }
}

async fn sign_in(keeper: &Keeper, login: &str, secret: &str, from: IpAddr) -> SignIn {
    let secret = Secret::new(secret.to_owned());
    keeper
        .sign_in(SignInAttempt { login, acting_as: None, secret: &secret, door: &imap(), from, client: Client::Unseen })
        .await
}

/// What a guesser sends: a third each of the right shape, of another, and for
/// logins that nobody has.
fn guess(n: u32) -> (String, String) {
    let letters: String = (0..24).map(|at| char::from(b'a' + u8::try_from((n >> (at % 20)) % 26).unwrap())).collect();
    match n % 3 {
        0 => (format!("person{}", n % PEOPLE), letters),
        1 => (format!("person{}", n % PEOPLE), format!("guess number {n}")),
        _ => (format!("nobody{n}"), letters),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_wrong_secrets_stops_nobody_and_fills_no_disk() {
    let site = Site::new();
    let keeper = Arc::new(keeper(site.open(1).await).await);
    let mut secrets = vec![];
    for number in 0..PEOPLE {
        let login = Login::parse(&format!("person{number}@example.org")).unwrap();
        let primary = Some(Secret::new("correct horse battery staple".into()));
        keeper.add_account(0, AddAccount { login: login.clone(), aliases: vec![], primary, totp: true }).await.unwrap();
        let (_, mandate) = keeper.administer(0, &login).await.unwrap();
        let request = AppPasswordRequest {
            label: Label::parse("Laptop").unwrap(),
            app: AppName::parse("thunderbird").unwrap(),
            scopes: "mail".parse().unwrap(),
            networks: Networks::default(),
            expires_in: None,
            lock: LockMode::Lock,
        };
        secrets.push(keeper.issue(&mandate, request).await.unwrap().secret);
    }
    let before = site.size();

    let mut flood = JoinSet::new();
    for n in 0..FLOOD {
        let keeper = keeper.clone();
        flood.spawn(async move {
            let (login, secret) = guess(n);
            let from = IpAddr::from([198, 18, u8::try_from(n >> 8 & 255).unwrap(), u8::try_from(n & 255).unwrap()]);
            sign_in(&keeper, &login, &secret, from).await
        });
    }
    // First uses among them: each has to be written before it is admitted.
    for round in 0..10 {
        for (number, secret) in secrets.iter().enumerate() {
            let admitted = sign_in(&keeper, &format!("person{number}"), secret.expose(), [192, 0, 2, 7].into()).await;
            assert!(matches!(admitted, SignIn::Admitted(..)), "person {number}, round {round}: {admitted:?}");
        }
    }
    while let Some(answer) = flood.join_next().await {
        let answer = answer.unwrap();
        assert!(matches!(answer, SignIn::Refused(_)), "{answer:?}");
    }
    keeper.write_journal().await.unwrap();

    let mut told = 0;
    for number in 0..PEOPLE {
        let (account, _) =
            keeper.administer(0, &Login::parse(&format!("person{number}@example.org")).unwrap()).await.unwrap();
        let refusals = keeper.refusals(account.id, account.created).await.unwrap();
        assert!(refusals.len() <= 2, "a row for each of them: {}", refusals.len());
        told += refusals.iter().map(|line| line.count).sum::<u64>();
    }
    assert_eq!(told, u64::from((0..FLOOD).filter(|n| n % 3 != 2).count() as u32), "counted, all of them");
    let grown = site.size() - before;
    assert!(grown <= 256 * 1024, "{FLOOD} guesses took {grown} bytes");
}
