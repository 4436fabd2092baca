//! Tells Cargo to build this crate anew when the web pages were. Generates nothing and runs nothing.

fn main() {
    // A debug build reads the pages from the checkout when they are asked for.
    let embeds = std::env::var("PROFILE").is_ok_and(|profile| profile == "release");
    println!("cargo:rerun-if-changed={}", if embeds { "../../web/dist" } else { "build.rs" });
}
