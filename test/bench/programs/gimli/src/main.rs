//! gimli's addr2line as an anchor.
//!
//!     gimli-lookup FILE < addresses          all frames, demangled, as `addr2line -afi` prints them
//!     gimli-lookup FILE PASSES < addresses   looks the addresses up PASSES times, prints the seconds of each pass and its frames
use addr2line::Loader;
use std::io::{self, BufRead, BufWriter, Write};
use std::time::Instant;

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let mut args = std::env::args().skip(1);
    let file = args.next().ok_or("gimli-lookup FILE [PASSES]")?;
    let loader = Loader::new(&file).map_err(|error| error.to_string())?;
    let mut addresses = Vec::new();
    for line in io::stdin().lock().lines() {
        let line = line?;
        let digits = line.trim().trim_start_matches("0x");
        if !digits.is_empty() {
            addresses.push(u64::from_str_radix(digits, 16)?);
        }
    }
    match args.next() {
        Some(passes) => rate(&loader, &addresses, passes.parse()?),
        None => print(&loader, &addresses),
    }
}

fn print(loader: &Loader, addresses: &[u64]) -> Result<(), Failure> {
    let mut out = BufWriter::with_capacity(1 << 16, io::stdout().lock());
    for &address in addresses {
        writeln!(out, "0x{address:016x}")?;
        let mut frames = loader.find_frames(address).map_err(|error| error.to_string())?;
        let mut any = false;
        while let Some(frame) = frames.next().map_err(|error| error.to_string())? {
            any = true;
            match &frame.function {
                Some(function) => writeln!(out, "{}", function.demangle()?)?,
                None => match loader.find_symbol(address) {
                    Some(symbol) => writeln!(out, "{}", addr2line::demangle_auto(symbol.into(), None))?,
                    None => writeln!(out, "??")?,
                },
            }
            match frame.location {
                Some(at) => writeln!(out, "{}:{}", at.file.unwrap_or("??"), at.line.unwrap_or(0))?,
                None => writeln!(out, "??:0")?,
            }
        }
        if !any {
            let symbol = loader.find_symbol(address);
            let name = symbol.map(|name| addr2line::demangle_auto(name.into(), None).into_owned());
            writeln!(out, "{}\n??:0", name.as_deref().unwrap_or("??"))?;
        }
    }
    Ok(out.flush()?)
}

fn rate(loader: &Loader, addresses: &[u64], passes: u32) -> Result<(), Failure> {
    for _ in 0..passes {
        let began = Instant::now();
        let mut count = 0u64;
        let mut bytes = 0usize;
        for &address in addresses {
            let mut frames = loader.find_frames(address).map_err(|error| error.to_string())?;
            while let Some(frame) = frames.next().map_err(|error| error.to_string())? {
                count += 1;
                bytes += frame.location.as_ref().and_then(|at| at.file).map_or(0, str::len);
            }
        }
        println!("{} {} {}", began.elapsed().as_secs_f64(), count, bytes);
    }
    Ok(())
}
