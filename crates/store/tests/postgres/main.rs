//! PostgreSQL as the keeper meets it, and as an administrator does.

#![expect(clippy::unwrap_used, reason = "all of this is tests")]

mod contract;

use keeper::Store;
use store::postgres::{self, Applicant, Leased, OpenError, Server};
use testkit::Postgres;

fn applicant(run: u8, place: u8) -> Applicant {
    Applicant { run: [run; 16], place: [place; 32], who: format!("place {place}, process {run}") }
}

async fn lease(url: &str, applicant: Applicant) -> Result<Leased, OpenError> {
    postgres::lease(Server::new(url, None, None).unwrap(), applicant).await
}

async fn open(url: &str) -> impl Store + std::fmt::Debug + use<> {
    lease(url, applicant(1, 1)).await.unwrap().open(testkit::contract::key()).await.unwrap()
}

fn database() -> String {
    Postgres::shared().database()
}
