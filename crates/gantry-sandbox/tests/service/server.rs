//! What this binary does as a service inside of an image.
//!
//! Not in here: tests.

use std::io::Write;
use std::net::{TcpListener, TcpStream};

/// Does the work of a service when asked to; does not return from a serving one.
pub fn asked() -> bool {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["serve", port] => serve(port),
        ["check", port] => {
            let there = TcpStream::connect(format!("127.0.0.1:{port}")).is_ok();
            std::process::exit(i32::from(!there));
        }
        ["whoami"] => println!("uid {}", nix::unistd::getuid()),
        ["fail"] => {
            eprintln!("no database directory");
            std::process::exit(3);
        }
        ["hang"] => loop {
            std::thread::park();
        },
        _ => return false,
    }
    true
}

fn serve(port: &str) {
    let password = std::env::var("PASSWORD").unwrap_or_default();
    println!("serving as uid {} with `{password}`", nix::unistd::getuid());
    let listener = TcpListener::bind(format!("0.0.0.0:{port}")).unwrap();
    for stream in listener.incoming() {
        let _ = stream.unwrap().write_all(b"welcome\n");
    }
}
