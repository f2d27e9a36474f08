//! What is kept, and what each change of it brings with it.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    sync::Arc,
};

use authority::{
    Account, AccountId, Actor, AppPassword, AppPasswordId, AuditKey, Entry, Event, Pin, SealedEntry, SecondFactor,
    Signature, Stranger, Timestamp, Use,
    app_lock::{OWNERS, pins_with},
    audit::GENESIS,
    catalogue::AppId,
    notice::{Held as HeldNotice, Kind, Tray},
};
use keeper::{Digest, Listed, Notice, Refused, Resealed, SetUpOffer, Tenure};

use super::hold::{Call, Hold};

#[derive(Debug)]
pub(super) struct Kept {
    pub(super) available: bool,
    pub(super) tenure: Tenure,
    pub(super) hold: Option<(Call, Arc<Hold>)>,
    pub(super) key: AuditKey,
    pub(super) lines: Vec<SealedEntry>,
    pub(super) newest: Option<Timestamp>,
    pub(super) accounts: HashMap<AccountId, Held>,
    pub(super) passwords: Vec<Password>,
    pub(super) forms: Vec<(AppId, Signature)>,
    pub(super) forms_taken: HashSet<(AppId, Signature, AccountId)>,
    pub(super) refused: Vec<Refused>,
    pub(super) trays: HashMap<AccountId, Tray>,
}

#[derive(Debug)]
pub(super) struct Held {
    pub(super) account: Account,
    pub(super) recovery: HashSet<Digest>,
    pub(super) set_up: Vec<SetUpOffer>,
}

#[derive(Debug)]
pub(super) struct Password {
    pub(super) password: AppPassword,
    pub(super) digest: Digest,
    pub(super) uses: BTreeMap<Arc<str>, Use>,
    /// The last one first.
    pub(super) strangers: Vec<Stranger>,
}

impl Kept {
    pub(super) fn meet(&mut self, call: Call) -> Option<(Call, Arc<Hold>)> {
        self.hold.take_if(|(of, _)| *of == call)
    }

    pub(super) fn append(&mut self, entry: &Entry) {
        let seq = self.append_consequence(entry);
        if let (Some(account), Some(kind)) = (entry.account, Kind::about(entry))
            && self.accounts.contains_key(&account)
        {
            self.trays.entry(account).or_default().tell(seq, kind, entry.at);
        }
    }

    /// A line that makes no notice: another one has told of it.
    pub(super) fn append_consequence(&mut self, entry: &Entry) -> u64 {
        let (seq, previous) = self.lines.last().map_or((1, GENESIS), |line| (line.seq + 1, line.seal));
        let text = entry.to_text();
        let seal = self.key.seal(&previous, seq, &text);
        self.lines.push(SealedEntry { seq, text, seal });
        self.saw(entry.at);
        seq
    }

    pub(super) fn saw(&mut self, at: Timestamp) {
        self.newest = self.newest.max(Some(at));
    }

    /// Writes the line if the change is made to the account.
    pub(super) fn change(&mut self, id: AccountId, entry: &Entry, change: impl FnOnce(&mut Held) -> bool) -> bool {
        let changed = self.accounts.get_mut(&id).is_some_and(change);
        if changed {
            self.append(entry);
        }
        changed
    }

    pub(super) fn password(&mut self, id: AppPasswordId) -> Option<&mut Password> {
        self.passwords.iter_mut().find(|one| one.password.id == id)
    }

    pub(super) fn take_form(&mut self, app: &AppId, form: &Signature, account: AccountId, at: Timestamp) {
        self.forms_taken.insert((app.clone(), form.clone(), account));
        let owners = self.forms_taken.iter().filter(|(of, taken, _)| of == app && taken == form).count();
        let form_of = (app.clone(), form.clone());
        if owners as u64 >= OWNERS && !self.forms.contains(&form_of) {
            self.forms.push(form_of);
            let event = Event::AppFormLearnt { app: app.to_string(), client: form.to_string() };
            self.append(&Entry { at, actor: Actor::Postern, account: None, event });
        }
    }

    pub(super) fn living(&mut self, account: AccountId, id: AppPasswordId, at: Timestamp) -> Option<&mut Password> {
        self.password(id).filter(|one| one.password.account == account && is_alive(&one.password, at))
    }

    pub(super) fn notice(&self, account: AccountId, held: &HeldNotice) -> Notice {
        let HeldNotice { seq, kind, more, failures, .. } = *held;
        let line = usize::try_from(seq).ok().and_then(|seq| self.lines.get(seq - 1));
        let entry = line.and_then(|line| Entry::from_text(&line.text)).expect("it was made with its line");
        Notice { account, seq, kind, entry, more, failures }
    }

    pub(super) fn alive(&self, account: AccountId, at: Timestamp) -> Vec<AppPasswordId> {
        let of = self.passwords.iter().map(|one| &one.password).filter(|password| password.account == account);
        of.filter(|password| is_alive(password, at)).map(|password| password.id).collect()
    }

    pub(super) fn revoke_alive(&mut self, account: AccountId, entry: &Entry) -> Vec<AppPasswordId> {
        let ids = self.alive(account, entry.at);
        for &id in &ids {
            if let Some(one) = self.password(id) {
                one.password.revoked = Some(entry.at);
            }
            self.append_consequence(&entry.also(Event::AppPasswordRevoked { id }));
        }
        ids
    }
}

pub(super) fn is_alive(password: &AppPassword, at: Timestamp) -> bool {
    password.revoked.is_none() && !password.is_over(at)
}

impl Held {
    /// The second factor with its seed as it is now, unless it has changed meanwhile.
    pub(super) fn is_resealed(&mut self, resealed: &Resealed) -> Option<&mut SecondFactor> {
        let factor = self.account.second_factor.as_mut().filter(|factor| factor.seed == resealed.was)?;
        factor.seed = resealed.now.clone();
        Some(factor)
    }

    pub(super) fn moves_on(&mut self) -> bool {
        self.account.epoch += 1;
        true
    }
}

impl Password {
    pub(super) fn used(&mut self, used: &Use) {
        let last = self.uses.entry(used.door.clone()).or_insert_with(|| used.clone());
        if used.at >= last.at {
            *last = used.clone();
        }
    }

    pub(super) fn pin(&mut self, pin: &Pin) {
        let others: Vec<Pin> =
            self.password.pins.iter().filter(|known| known.signature != pin.signature).cloned().collect();
        self.password.pins = pins_with(&others, pin.clone());
    }

    pub(super) fn listed(&self) -> Listed {
        let mut uses: Vec<_> = self.uses.values().cloned().collect();
        uses.sort_by_key(|used| std::cmp::Reverse(used.at));
        Listed { password: self.password.clone(), uses }
    }
}
