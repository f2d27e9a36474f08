//! The real thing: a keeper over the store, and what the people around it know.

use std::{collections::BTreeMap, net::IpAddr, sync::Arc};

use authority::{
    AccountId, AppName, AppPasswordRequest, AppPasswordRules, Catalogue, Client, Credential, Cutoff, Domain, Door,
    Label, LockMode, Login, Networks, Protocol, Secret, Signature, Standing, Timestamp,
};
use keeper::{
    AddAccount, AdminError, AuditVerdict, Clock, Denied, FreshMandate, HashCost, IssueError, IssuedSecret, Keeper,
    Keys, LiveSession, Owner, ServerKey, SignIn, SignInAttempt, Site, Store,
};

use super::{
    act::{Act, Answer, At, Code, From, Glance, Listed, Page, Program, Shown, Who},
    model::{BEGINNING, LIMIT, before, choose},
};
use crate::{FixedClock, Seeded, contract, login};

const EVERYBODY: [Who; 2] = [Who::Alice, Who::Bob];
const HOME: &str = "192.0.2.7";
const AWAY: &str = "203.0.113.9";
/// Letters that nobody is given.
const INVENTED: &str = "aaaa aaaa aaaa aaaa aaaa aaaa";

/// What somebody remembers, and their authenticator app.
struct Person {
    id: AccountId,
    primary: String,
    seed: Vec<u8>,
    recovery_codes: Vec<Secret>,
    set_up_code: Option<Secret>,
    owner: Option<Owner>,
}

pub(super) struct World<Open> {
    open: Open,
    clock: FixedClock,
    /// None while it restarts.
    keeper: Option<Keeper>,
    /// Counts up: no two random numbers of a history are the same.
    drawn: u64,
    people: Vec<Person>,
    passwords: Vec<IssuedSecret>,
    sessions: Vec<(usize, LiveSession)>,
}

impl Who {
    fn login(self) -> Login {
        login(match self {
            Self::Alice => "alice@example.org",
            Self::Bob => "bob@example.org",
        })
    }
}

impl At {
    fn door(self) -> Door {
        let (name, protocol, needs) = match self {
            Self::Imap => ("imap", Protocol::Imap, "mail"),
            Self::Dav => ("dav", Protocol::Http, "calendars,contacts"),
        };
        Door { name: Arc::from(name), protocol, needs: needs.parse().unwrap() }
    }

    fn named(name: &str) -> Self {
        if name == "imap" { Self::Imap } else { Self::Dav }
    }
}

impl From {
    fn address(self) -> IpAddr {
        match self {
            Self::Home => HOME.parse().unwrap(),
            Self::Away => AWAY.parse().unwrap(),
        }
    }

    fn at(address: IpAddr) -> Self {
        if address == Self::Home.address() { Self::Home } else { Self::Away }
    }
}

impl Program {
    /// How it looks there.
    fn at(self, at: At) -> Signature {
        let protocol = if at == At::Imap { "imap" } else { "http" };
        let name = if self == Self::Mail { "mail" } else { "organizer" };
        format!("1;{protocol};-;{name};{name}.form;-").parse().unwrap()
    }

    fn of(signature: &Signature) -> (Self, At) {
        let program = if signature.declared() == Some("mail") { Self::Mail } else { Self::Organizer };
        (program, if signature.protocol() == Protocol::Imap { At::Imap } else { At::Dav })
    }
}

fn secret(text: &str) -> Secret {
    Secret::new(text.into())
}

fn unforeseen(what: impl std::fmt::Debug) -> Answer {
    Answer::Unforeseen(format!("{what:?}"))
}

/// The seed in what an authenticator app is shown.
fn seed(uri: &Secret) -> Vec<u8> {
    let base32 = uri.expose().split("secret=").nth(1).and_then(|rest| rest.split('&').next());
    data_encoding::BASE32_NOPAD.decode(base32.unwrap().as_bytes()).unwrap()
}

fn totp(seed: &[u8], now: Timestamp) -> String {
    let app = totp_rs::Builder::new().with_secret(seed.to_vec()).build_noncompliant();
    app.generate(u64::try_from(now.as_secs()).unwrap()).to_string()
}

impl<Open: AsyncFn() -> Box<dyn Store>> World<Open> {
    pub(super) async fn new(open: Open) -> Self {
        let mut world = Self {
            open,
            clock: FixedClock::new(BEGINNING),
            keeper: None,
            drawn: 0,
            people: vec![],
            passwords: vec![],
            sessions: vec![],
        };
        world.start().await;
        for who in EVERYBODY {
            let primary = world.new_primary();
            let chosen = who == Who::Alice;
            let request = AddAccount {
                login: who.login(),
                aliases: vec![],
                primary: chosen.then(|| secret(&primary)),
                totp: chosen,
            };
            let added = world.keeper().add_account(0, request).await.unwrap();
            world.people.push(Person {
                id: added.id,
                primary,
                seed: added.totp_uri.as_ref().map(seed).unwrap_or_default(),
                recovery_codes: added.recovery_codes,
                set_up_code: added.set_up.map(|set_up| set_up.code),
                owner: None,
            });
        }
        world
    }

    async fn start(&mut self) {
        let site = Site {
            domain: Domain::parse("example.org").unwrap(),
            issuer: "Example".into(),
            cutoff: Cutoff::Enforced,
            rules: AppPasswordRules { limit: LIMIT, ..AppPasswordRules::default() },
            hash_cost: HashCost { memory: 8, passes: 1 },
            apps: Catalogue::default(),
        };
        self.drawn += 1;
        let (store, random) = ((self.open)().await, Box::new(Seeded::new(self.drawn)));
        let keys = Keys::new(ServerKey::new([1; 32]), contract::key());
        let keeper = Keeper::new(site, store, keys, Box::new(self.clock.clone()), random).await;
        self.keeper = Some(keeper.unwrap());
    }

    fn keeper(&self) -> &Keeper {
        self.keeper.as_ref().unwrap()
    }

    fn new_primary(&mut self) -> String {
        self.drawn += 1;
        format!("correct horse battery {}", self.drawn)
    }

    async fn mandate(&self, who: Who) -> FreshMandate {
        self.keeper().administer(0, &who.login()).await.unwrap().1
    }

    pub(super) async fn act(&mut self, act: &Act, code: Option<Code>) -> Answer {
        match *act {
            Act::Issue { who, opens, at_home_only, expires_in } => {
                let scopes: Vec<_> = opens.iter().map(|at| at.door().needs.to_string()).collect();
                let home = Networks::from_iter([HOME.parse::<IpAddr>().unwrap().into()]);
                let request = AppPasswordRequest {
                    label: Label::parse("Laptop").unwrap(),
                    app: AppName::parse("thunderbird").unwrap(),
                    scopes: scopes.join(",").parse().unwrap(),
                    networks: if at_home_only { home } else { Networks::default() },
                    expires_in,
                    lock: LockMode::Lock,
                };
                match self.keeper().issue(&self.mandate(who).await, request).await {
                    Ok(issued) => {
                        self.passwords.push(issued);
                        Answer::Done
                    }
                    Err(IssueError::Cannot(why)) => Answer::NotIssued(why),
                    Err(other) => unforeseen(other),
                }
            }
            Act::SignIn { who, shown, at, from, program } => self.sign_in(who, shown, at, from, program).await,
            Act::Leave { session } => {
                let Some(one) = choose(session, self.sessions.len()) else { return Answer::Nothing };
                drop(self.sessions.remove(one));
                Answer::Done
            }
            Act::Revoke { who, issued } => {
                let Some(one) = choose(issued, self.passwords.len()) else { return Answer::Nothing };
                let mandate = self.mandate(who).await;
                match self.keeper().revoke(&mandate, self.passwords[one].password.id).await {
                    Ok(ended) => Answer::Ended(ended),
                    Err(error) => unforeseen(error),
                }
            }
            Act::LearnAnew { who, issued } => {
                let Some(one) = choose(issued, self.passwords.len()) else { return Answer::Nothing };
                let (mandate, id) = (self.mandate(who).await, self.passwords[one].password.id);
                match self.keeper().relearn(&mandate, id).await {
                    Ok(ended) => {
                        if ended.is_some() {
                            let within = AppPasswordRules::default().first_use_within;
                            self.passwords[one].password.use_by = self.keeper().now().plus(within);
                        }
                        Answer::Ended(ended)
                    }
                    Err(error) => unforeseen(error),
                }
            }
            Act::Allow { who, issued, program, at } => {
                let Some(one) = choose(issued, self.passwords.len()) else { return Answer::Nothing };
                let (mandate, id) = (self.mandate(who).await, self.passwords[one].password.id);
                match self.keeper().allow(&mandate, id, &program.at(at)).await {
                    Ok(true) => Answer::Done,
                    Ok(false) => Answer::Refused,
                    Err(error) => unforeseen(error),
                }
            }
            Act::RevokeAll(who) => match self.keeper().revoke_all(&*self.mandate(who).await).await {
                Ok(revoked) => Answer::Revoked(revoked.len()),
                Err(error) => unforeseen(error),
            },
            Act::EndSessions(who) => {
                match self.keeper().end_sessions(&*self.mandate(who).await, &keeper::Which::All).await {
                    Ok(ended) => Answer::Ended(Some(ended)),
                    Err(error) => unforeseen(error),
                }
            }
            Act::Suspend(who) => self.set_standing(who, Standing::Suspended).await,
            Act::Resume(who) => self.set_standing(who, Standing::Active).await,
            Act::Reset(who) => {
                let (account, mandate) = self.keeper().administer(0, &who.login()).await.unwrap();
                match self.keeper().reset(&account, &mandate).await {
                    Ok(set_up) => {
                        let person = &mut self.people[who as usize];
                        (person.set_up_code, person.recovery_codes) = (Some(set_up.code), vec![]);
                        Answer::Done
                    }
                    Err(error) => unforeseen(error),
                }
            }
            Act::SetUp(who) => said(self.set_up(who).await),
            Act::ChangePrimary(who) => match self.change_primary(who, code).await {
                Ok(true) => Answer::Done,
                Ok(false) => Answer::Nothing,
                Err(denied) => said(Err(denied)),
            },
            Act::Forward(by) => {
                self.clock.advance(by);
                Answer::Done
            }
            Act::ToItsEnd { issued, early } => {
                let Some(one) = choose(issued, self.passwords.len()) else { return Answer::Nothing };
                let password = &self.passwords[one].password;
                let end = password.expires.unwrap_or(password.use_by);
                self.clock.set(self.clock.now().max(before(end, early)));
                Answer::Done
            }
            Act::Back(by) => {
                self.clock.step_back(by);
                Answer::Done
            }
            Act::Look => Answer::Shown(Box::new(self.look().await)),
            Act::Restart { crash } => {
                if !crash {
                    self.keeper().write_journal().await.unwrap();
                }
                self.sessions.clear();
                self.keeper = None;
                self.start().await;
                Answer::Done
            }
        }
    }

    async fn sign_in(&mut self, who: Who, shown: Shown, at: At, from: From, program: Program) -> Answer {
        let issued = match shown {
            Shown::Issued(back) => choose(back, self.passwords.len()),
            Shown::Primary | Shown::Invented => None,
        };
        let secret = match (shown, issued) {
            (Shown::Primary, _) => secret(&self.people[who as usize].primary),
            (_, Some(one)) => self.passwords[one].secret.clone(),
            (_, None) => secret(INVENTED),
        };
        let (login, door) = (who.login(), at.door());
        let attempt = SignInAttempt {
            login: login.as_str(),
            acting_as: None,
            secret: &secret,
            door: &door,
            from: from.address(),
            client: Client::Shown(program.at(at)),
        };
        match (self.keeper().sign_in(attempt).await, issued) {
            (SignIn::Admitted(_, session), Some(one)) => {
                self.sessions.push((one, session));
                Answer::Admitted
            }
            (SignIn::Refused(keeper::TurnedAway::Refused), _) => Answer::Refused,
            (SignIn::Refused(keeper::TurnedAway::OutOfScope), _) => Answer::OutOfScope,
            (other, _) => unforeseen(other),
        }
    }

    async fn set_standing(&self, who: Who, standing: Standing) -> Answer {
        let (account, mandate) = self.keeper().administer(0, &who.login()).await.unwrap();
        match self.keeper().set_standing(&account, &mandate, standing).await {
            Ok(()) => Answer::Done,
            Err(AdminError::Already(..)) => Answer::Already,
            Err(other) => unforeseen(other),
        }
    }

    async fn set_up(&mut self, who: Who) -> Result<(), Denied> {
        let primary = self.new_primary();
        let Some(keeper) = &self.keeper else { return Err(Denied::Unavailable) };
        let person = &mut self.people[who as usize];
        let code = person.set_up_code.as_ref().ok_or(Denied::Refused)?;
        let setting_up = keeper.begin_set_up(who.login().as_str(), code.expose(), From::Home.address()).await?;
        let proposal = keeper.propose_for_set_up(&setting_up);
        let seed = seed(&proposal.uri);
        let code = totp(&seed, keeper.now());
        let (owner, recovery_codes) = keeper.set_up(&setting_up, &secret(&primary), &proposal, &code).await?;
        (person.primary, person.seed, person.recovery_codes) = (primary, seed, recovery_codes);
        person.owner = Some(owner);
        Ok(())
    }

    /// False if there is no second factor left to show.
    async fn change_primary(&mut self, who: Who, code: Option<Code>) -> Result<bool, Denied> {
        let new = self.new_primary();
        let Some(keeper) = &self.keeper else { return Err(Denied::Unavailable) };
        let person = &mut self.people[who as usize];
        let (from, current) = (From::Home.address(), secret(&person.primary));
        let pending = keeper.begin_sign_in(who.login().as_str(), &current, from).await?;
        let code = match code {
            Some(Code::Totp) => secret(&totp(&person.seed, keeper.now())),
            Some(Code::Recovery) => person.recovery_codes.pop().unwrap(),
            None => return Ok(false),
        };
        let owner = keeper.finish_sign_in(&pending, code.expose()).await?;
        let mandate = keeper.fresh_mandate(&owner)?;
        person.owner = Some(keeper.change_primary(&owner, &mandate, &current, &secret(&new)).await?);
        person.primary = new;
        Ok(true)
    }

    pub(super) async fn glance(&mut self) -> Glance {
        // Doors let go of what has been ended.
        self.sessions.retain(|(_, session)| session.is_open());
        let mut signed_in = vec![];
        let mut listed = vec![];
        for person in &self.people {
            signed_in.push(match &person.owner {
                Some(owner) => self.keeper().confirm(owner).await.is_ok(),
                None => false,
            });
            listed.extend(self.keeper().sessions(Some(person.id)));
        }
        listed.sort_by_key(|session| session.id);
        let sessions = listed.iter().map(|session| self.issued(session.credential)).collect();
        assert_eq!(listed.len(), self.sessions.len(), "what is open and what is listed");
        Glance { now: self.keeper().now(), sessions, signed_in }
    }

    fn issued(&self, credential: Credential) -> usize {
        let Credential::AppPassword(of) = credential else { panic!("the cutoff is enforced") };
        self.passwords.iter().position(|issued| issued.password.id == of).unwrap()
    }

    pub(super) async fn look(&self) -> Page {
        let mut passwords = BTreeMap::new();
        let mut recovery_codes_left = vec![];
        let mut refusals = BTreeMap::new();
        for (who, person) in EVERYBODY.into_iter().zip(&self.people) {
            let overview = self.keeper().overview(&*self.mandate(who).await).await.unwrap().unwrap();
            recovery_codes_left.push(overview.recovery_codes_left);
            for (listed, state) in overview.passwords {
                let uses = listed.uses.iter().map(|used| (At::named(&used.door), (used.at, From::at(used.from))));
                let kept = listed.password;
                let one = Listed {
                    state,
                    first_used: kept.first_used,
                    revoked: kept.revoked,
                    uses: uses.collect(),
                    pins: kept.pins.iter().map(|pin| Program::of(&pin.signature)).collect(),
                };
                passwords.insert(self.issued(Credential::AppPassword(kept.id)), one);
            }
            for refused in self.keeper().refusals(person.id, Timestamp::from_millis(0)).await.unwrap() {
                let password = refused.app_password.map(|id| self.issued(Credential::AppPassword(id)));
                let refusal = (who, password, At::named(&refused.door), refused.reason);
                refusals.insert(refusal, (refused.count, refused.at, From::at(refused.from)));
            }
        }
        let lines = match self.keeper().verify_audit().await.unwrap() {
            AuditVerdict::Whole { lines, .. } => lines,
            AuditVerdict::Broken(broken) => panic!("the audit is broken: {broken:?}"),
        };
        Page { passwords: passwords.into_values().collect(), recovery_codes_left, refusals, lines }
    }
}

fn said(outcome: Result<(), Denied>) -> Answer {
    match outcome {
        Ok(()) => Answer::Done,
        Err(Denied::Refused) => Answer::Refused,
        Err(other) => unforeseen(other),
    }
}
