//! New forms of apps, and when they are everybody's.

use authority::{AccountId, Actor, Entry, Event, Signature, Timestamp, app_lock::OWNERS, catalogue::AppId};

use crate::{
    accounts,
    database::{Db, values},
    failure::Outcome,
    rows::{self, Fields},
    writer::Write,
};

/// An account's password has taken this form, by its number, of the app. When it is
/// the one that makes enough, the form is the app's.
pub(crate) fn take<D: Db>(
    write: &mut Write<'_, D>,
    app: &AppId,
    (signature, form): (i64, &Signature),
    account: AccountId,
    at: Timestamp,
) -> Outcome<()> {
    const TAKEN: &str = "INSERT INTO form_taken (app, signature, account) VALUES (?1, ?2, ?3)
        ON CONFLICT (app, signature, account) DO NOTHING";
    const OWNERS_OF: &str = "SELECT count(*) FROM form_taken WHERE app = ?1 AND signature = ?2";
    const FORM: &str = "INSERT INTO form (app, signature, since) VALUES (?1, ?2, ?3)
        ON CONFLICT (app, signature) DO NOTHING";
    let Some(account) = accounts::number(write.db, account)? else { return Ok(()) };
    if write.db.execute(TAKEN, values![app.as_str(), signature, account])? == 0 {
        return Ok(());
    }
    let owners = write.db.number(OWNERS_OF, values![app.as_str(), signature])?.unwrap_or(0);
    if owners >= rows::int(OWNERS) && write.db.execute(FORM, values![app.as_str(), signature, at.as_millis()])? == 1 {
        let event = Event::AppFormLearnt { app: app.to_string(), client: form.to_string() };
        write.log(&Entry { at, actor: Actor::Postern, account: None, event })?;
    }
    Ok(())
}

pub(crate) fn all<D: Db>(db: &D) -> Outcome<Vec<(AppId, Signature)>> {
    const SQL: &str = "SELECT f.since, f.app, s.text FROM form AS f JOIN signature AS s ON s.no = f.signature
        ORDER BY f.since, f.signature";
    db.query(SQL, &[], |row| {
        let row = Fields::of("form", row);
        Ok((row.parse(1)?, row.parse(2)?))
    })
}

pub(crate) fn forget<D: Db>(write: &mut Write<'_, D>, app: &AppId, at: Timestamp, actor: &Actor) -> Outcome<usize> {
    let forms: Vec<_> = all(write.db)?.into_iter().filter(|(of, _)| of == app).collect();
    for sql in ["DELETE FROM form WHERE app = ?1", "DELETE FROM form_taken WHERE app = ?1"] {
        write.db.execute(sql, values![app.as_str()])?;
    }
    for (app, form) in &forms {
        let event = Event::AppFormForgotten { app: app.to_string(), client: form.to_string() };
        write.log(&Entry { at, actor: actor.clone(), account: None, event })?;
    }
    Ok(forms.len())
}
