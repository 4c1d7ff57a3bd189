//! Files that are written, most of them beside and then in their place.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

/// Where a file is written before it takes its place. What a crash left there is written over, so it is a name that nobody
/// else gives.
fn path(path: &Path) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".eventprop-tmp");
    path.with_file_name(name)
}

/// Makes the folder of a file, so that nobody's work is lost for want of one.
pub(crate) fn make_folder_of(file: &Path) -> io::Result<()> {
    file.parent().map_or(Ok(()), fs::create_dir_all)
}

/// Writes a file such that after a crash at any moment, or an error, it is the old one or the new one. Its folder is made.
pub(crate) fn write<E: From<io::Error>>(
    to: &Path,
    content: impl FnOnce(&mut BufWriter<File>) -> Result<(), E>,
) -> Result<(), E> {
    make_folder_of(to)?;
    let beside = path(to);
    let done = write_and_rename(&beside, to, content);
    if done.is_err() {
        // What is left of it is of no use; the first error is the one to tell.
        let _ = fs::remove_file(&beside);
    }
    done
}

fn write_and_rename<E: From<io::Error>>(
    beside: &Path,
    to: &Path,
    content: impl FnOnce(&mut BufWriter<File>) -> Result<(), E>,
) -> Result<(), E> {
    let mut file = BufWriter::new(File::create(beside)?);
    content(&mut file)?;
    file.flush()?;
    file.get_ref().sync_all()?;
    drop(file);
    fs::rename(beside, to).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => {
            let what = "it was written beside first, and that file is gone: does another program write it too?";
            io::Error::new(error.kind(), what)
        }
        _ => error,
    })?;
    // So that the new name survives as well; only Unix opens folders.
    if cfg!(unix) {
        let folder = to.parent().filter(|f| *f != Path::new("")).unwrap_or(Path::new("."));
        File::open(folder)?.sync_all()?;
    }
    Ok(())
}
