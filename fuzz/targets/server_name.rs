#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| fuzz::front::server_name(input));
