mod client;
mod properties;
mod recordings;
mod server;
mod session;
