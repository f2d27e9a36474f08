mod client;
mod properties;
mod server;
