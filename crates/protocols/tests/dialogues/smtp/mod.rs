mod client;
mod first;
mod properties;
mod recordings;
mod server;
mod session;
