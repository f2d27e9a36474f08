//! The app lock, live: real apps with each other's passwords.

mod apps;
mod by_hand;
mod calendars;
mod fetchers;
mod first_use;
mod forged;
mod readers;
mod senders;
mod square;
mod table;
mod thunderbird;
mod world;
