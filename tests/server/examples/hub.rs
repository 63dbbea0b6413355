//! Serves a directory as a Hugging Face Hub until the end of its input, to hold the one of the tests
//! against other clients: `HF_ENDPOINT` is what it prints.

use std::path::Path;

fn main() -> Result<(), String> {
    let directory = std::env::args().nth(1).ok_or("name a directory")?;
    let hub = anndex_test_server::Hub::start(Path::new(&directory))?;
    println!("{}", hub.url());
    std::io::stdin()
        .read_line(&mut String::new())
        .map_err(|e| e.to_string())?;
    Ok(())
}
