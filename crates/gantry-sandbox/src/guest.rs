//! The directory `/.gantry/host` inside every sandbox: our own program with the host's loader and libraries.
//!
//! It makes PID 1 (with runtimes that start a program) and the `sudo` client work in any image, whatever
//! libraries that has. It is made once per build of the program and mounted read-only.
//!
//! Not in here: what those programs do ([`crate::init`]).

use std::ffi::CStr;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::helper::sys::at;

/// Where it is mounted inside.
pub const DIR: &str = "/.gantry/host";

/// The command that starts our program inside with this first argument.
pub fn command(name: &str) -> Vec<String> {
    let program = format!("{DIR}/gantry");
    if loaded_libraries().is_empty() {
        return vec![program, name.to_owned()];
    }
    let loader = format!("{DIR}/ld.so");
    vec![loader, "--library-path".to_owned(), format!("{DIR}/lib"), program, name.to_owned()]
}

/// The text of the `sudo` script.
pub fn sudo_script() -> String {
    format!("#!/bin/sh\nexec {} \"$@\"\n", command(crate::entry::SUDO_NAME).join(" "))
}

/// Makes the directory on the host unless it is there; its path.
pub fn prepare(state_dir: &Path) -> io::Result<PathBuf> {
    let program = Path::new("/proc/self/exe");
    let meta = fs::metadata(program)?;
    let name = format!("{}-{}-{}-{}", meta.dev(), meta.ino(), meta.mtime(), meta.size());
    let dir = state_dir.join("guest");
    let path = dir.join(name);
    if path.exists() {
        return Ok(path);
    }
    at("make", &dir, fs::create_dir_all(&dir))?;
    let new = tempfile::Builder::new().prefix(".new-").tempdir_in(&dir)?;
    copy_program(program, &new.path().join("gantry"))?;
    let lib = new.path().join("lib");
    fs::create_dir(&lib)?;
    for library in loaded_libraries() {
        let Some(name) = library.file_name() else { continue };
        let text = name.to_string_lossy();
        let target = if text.starts_with("ld-") || text.starts_with("ld.") {
            new.path().join("ld.so")
        } else {
            lib.join(name)
        };
        at("copy", &library, fs::copy(&library, target))?;
    }
    fs::set_permissions(new.path(), fs::Permissions::from_mode(0o755))?;
    let new = new.keep();
    match fs::rename(&new, &path) {
        Ok(()) => Ok(path),
        Err(_) if path.exists() => {
            fs::remove_dir_all(&new)?;
            Ok(path)
        }
        Err(e) => at("publish", &path, Err(e)),
    }
}

/// A second name for the program where the file system allows it, else a copy.
fn copy_program(program: &Path, target: &Path) -> io::Result<()> {
    let real = fs::read_link(program)?;
    let same = |a: &Path, b: &Path| -> io::Result<bool> {
        let (a, b) = (fs::metadata(a)?, fs::metadata(b)?);
        Ok((a.dev(), a.ino()) == (b.dev(), b.ino()))
    };
    if fs::hard_link(&real, target).is_ok() {
        if same(program, target)? && fs::metadata(target)?.mode() & 0o005 == 0o005 {
            return Ok(());
        }
        fs::remove_file(target)?;
    }
    fs::copy(program, target)?;
    fs::set_permissions(target, fs::Permissions::from_mode(0o755))
}

/// The shared libraries that this process has loaded, the loader included; none when it is static.
fn loaded_libraries() -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = Vec::new();
    // SAFETY: the callback gets the pointer that is given here, which lives for the call.
    unsafe { libc::dl_iterate_phdr(Some(collect), (&raw mut found).cast()) };
    found
}

unsafe extern "C" fn collect(
    info: *mut libc::dl_phdr_info,
    _size: libc::size_t,
    data: *mut libc::c_void,
) -> libc::c_int {
    // SAFETY: the loader gives a valid entry, and `data` is the vector of `loaded_libraries`.
    let (name, found) = unsafe { ((*info).dlpi_name, &mut *data.cast::<Vec<PathBuf>>()) };
    if !name.is_null() {
        // SAFETY: a non-null name is a C string that lives as long as the library.
        let name = unsafe { CStr::from_ptr(name) };
        let path = Path::new(std::ffi::OsStr::from_bytes(name.to_bytes()));
        if path.is_absolute() {
            found.push(path.to_owned());
        }
    }
    0
}
