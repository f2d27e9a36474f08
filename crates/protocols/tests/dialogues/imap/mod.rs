mod client;
mod properties;
mod provisional;
mod recordings;
mod seen;
mod server;
