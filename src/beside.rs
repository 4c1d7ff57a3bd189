//! Files that are written, most of them beside and then in their place.

use std::fs::{self, File, Metadata, Permissions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

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

/// Whether files can be written in a folder.
#[cfg(feature = "files")]
pub(crate) fn check_folder(folder: &Path) -> io::Result<()> {
    let probe = path(&folder.join("probe"));
    drop(File::create(&probe)?);
    // Another process may try the same.
    fs::remove_file(&probe).or_else(|e| match e.kind() {
        io::ErrorKind::NotFound => Ok(()),
        _ => Err(e),
    })
}

/// Whether this is a pipe, a device or the like, which no file can take the place of.
pub(crate) fn is_stream(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|found| is_neither(&found))
}

fn is_neither(found: &Metadata) -> bool {
    !found.is_file() && !found.is_dir()
}

/// Writes a file such that after a crash at any moment, or an error, it is the old one or the new one, with the permissions
/// of the old one. A link stays one, and a file that is read-only as it is. Its folder is made.
pub(crate) fn write<E: From<io::Error>>(
    to: &Path,
    content: impl FnOnce(&mut BufWriter<File>) -> Result<(), E>,
) -> Result<(), E> {
    if to.file_name().is_none() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is no name of a file").into());
    }
    make_folder_of(to)?;
    let old = fs::metadata(to).ok();
    if old.as_ref().is_some_and(is_neither) {
        let mut file = BufWriter::new(File::options().write(true).open(to)?);
        content(&mut file)?;
        return Ok(file.flush()?);
    }
    // WASI has no permissions: there every file looks read-only.
    let old = old.filter(|_| cfg!(not(target_os = "wasi"))).map(|old| old.permissions());
    if old.as_ref().is_some_and(Permissions::readonly) {
        return Err(io::Error::new(io::ErrorKind::PermissionDenied, "it is read-only").into());
    }
    let to = &fs::canonicalize(to).unwrap_or_else(|_| to.to_owned());
    let beside = path(to);
    let done = write_and_rename(&beside, to, old, content);
    if done.is_err() {
        // What is left of it is of no use; the first error is the one to tell.
        let _ = fs::remove_file(&beside);
    }
    done
}

fn write_and_rename<E: From<io::Error>>(
    beside: &Path,
    to: &Path,
    permissions: Option<Permissions>,
    content: impl FnOnce(&mut BufWriter<File>) -> Result<(), E>,
) -> Result<(), E> {
    let mut file = BufWriter::new(File::create(beside)?);
    if let Some(permissions) = permissions {
        file.get_ref().set_permissions(permissions)?;
    }
    content(&mut file)?;
    file.flush()?;
    file.get_ref().sync_all()?;
    drop(file);
    replace(beside, to).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => {
            let what = "it was written beside first, and that file is gone: does another program write it too?";
            io::Error::new(error.kind(), what)
        }
        _ => error,
    })?;
    // So that the new name survives as well; only Unix opens folders.
    if cfg!(unix) {
        let folder = to.parent().filter(|f| *f != Path::new("")).unwrap_or(Path::new("."));
        match File::open(folder).and_then(|folder| folder.sync_all()) {
            Err(error) if !UNSYNCED.contains(&error.kind()) => return Err(error.into()),
            _ => {}
        }
    }
    Ok(())
}

/// What a folder answers that may be written to and not read, and file systems that do not sync folders. The file is in its
/// place all the same.
const UNSYNCED: [io::ErrorKind; 3] =
    [io::ErrorKind::PermissionDenied, io::ErrorKind::InvalidInput, io::ErrorKind::Unsupported];

fn replace(beside: &Path, to: &Path) -> io::Result<()> {
    // On Windows a file stays where it is while another program looks at it, which for most is a moment.
    let mut patience = if cfg!(windows) { 10 } else { 0 };
    loop {
        match fs::rename(beside, to) {
            Err(_) if patience > 0 => patience -= 1,
            done => return done,
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    fn write(to: &Path, text: &str) {
        super::write(to, |file| write!(file, "{text}")).unwrap();
    }

    #[test]
    fn links_stay_links_and_private_files_private() {
        let folder = tempfile::tempdir().unwrap();
        let (file, link) = (folder.path().join("file"), folder.path().join("link"));
        write(&file, "old");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
        symlink(&file, &link).unwrap();
        write(&link, "new");
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read_to_string(&file).unwrap(), "new");
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }

    #[test]
    fn what_is_write_protected_stays() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        write(&file, "old");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o444)).unwrap();
        let error = super::write(&file, |file| write!(file, "new")).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
        assert_eq!(fs::read_to_string(&file).unwrap(), "old");
    }

    #[test]
    fn devices_stay_devices() {
        let folder = tempfile::tempdir().unwrap();
        // By a link, so that nothing else is at stake.
        let link = folder.path().join("null");
        symlink("/dev/null", &link).unwrap();
        assert!(is_stream(&link) && !is_stream(folder.path()));
        write(&link, "nothing");
        assert!(is_stream(Path::new("/dev/null")));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }
}
