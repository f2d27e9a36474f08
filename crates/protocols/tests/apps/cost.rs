//! What a judgement costs: `cargo test --release -p protocols --test apps cost -- --ignored --nocapture`.

use std::{hint::black_box, time::Instant};

use fingerprint::{Signature, compare, tls::ClientHello};

use crate::{capture::Capture, corpus, seen};

#[test]
#[ignore = "prints times, which a busy machine makes what it likes"]
#[expect(clippy::disallowed_methods, reason = "it measures time")]
fn cost_of_a_judgement() {
    const TURNS: u32 = 200;
    let captures = Capture::folder(&corpus());
    let seen: Vec<_> =
        captures.iter().flat_map(|capture| seen::dialogues(capture).into_iter().map(move |d| (capture, d))).collect();
    let families: Vec<_> = seen.iter().map(|(capture, _)| capture.hello().unwrap().family()).collect();
    let pins: Vec<Signature> =
        seen.iter().zip(&families).map(|((_, dialogue), family)| Signature::new(Some(family), dialogue)).collect();
    let turns = |what: &str, turn: &dyn Fn()| {
        let mut times: Vec<f64> = (0..TURNS)
            .map(|_| {
                let begin = Instant::now();
                turn();
                begin.elapsed().as_secs_f64() * 1e6 / seen.len() as f64
            })
            .collect();
        times.sort_by(f64::total_cmp);
        let at = |share: f64| times[(f64::from(TURNS - 1) * share) as usize];
        println!("{what}: {:.2} us (p10 {:.2}, p90 {:.2})", at(0.5), at(0.1), at(0.9));
    };
    turns("ClientHello to family", &|| {
        for (capture, _) in &seen {
            black_box(ClientHello::read(&capture.hello).unwrap().family());
        }
    });
    turns("dialogue to signature, and a comparison", &|| {
        for (((_, dialogue), family), pin) in seen.iter().zip(&families).zip(&pins) {
            let _ = black_box(compare(pin, &Signature::new(Some(family), dialogue)));
        }
    });
    turns("a comparison alone", &|| {
        for (a, b) in pins.iter().zip(pins.iter().skip(1)) {
            let _ = black_box(compare(a, b));
        }
    });
    let longest = pins.iter().map(|pin| pin.as_str().len()).max().unwrap();
    println!(
        "longest signature: {longest} octets; a Dialogue: {} octets and its texts",
        size_of::<fingerprint::Dialogue>()
    );
}
