//! How much memory this machine lets the process use.

use std::path::{Path, PathBuf};

/// What is assumed where the system does not say.
const ASSUMED: usize = 2 * 1024 * 1024 * 1024;

/// Bytes: what the machine has, or what the process's cgroup allows when that is less.
pub(crate) fn memory() -> usize {
    let machine = read(Path::new("/proc/meminfo")).and_then(|text| total(&text));
    let group = read(Path::new("/proc/self/cgroup")).and_then(|text| group_limit(&text, Path::new("/sys/fs/cgroup")));
    machine.into_iter().chain(group).min().unwrap_or(ASSUMED)
}

fn read(path: &Path) -> Option<String> {
    std::fs::read_to_string(path).ok()
}

/// `MemTotal` of `/proc/meminfo`.
fn total(text: &str) -> Option<usize> {
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse::<usize>().ok()?.checked_mul(1024)
}

/// The least limit of a process's cgroup and those above it, by `/proc/self/cgroup`, version 2 or 1.
fn group_limit(text: &str, root: &Path) -> Option<usize> {
    text.lines()
        .filter_map(|line| {
            let mut fields = line.splitn(3, ':');
            let (_, controllers, group) = (fields.next()?, fields.next()?, fields.next()?);
            let (hierarchy, file) = match controllers {
                "" => (root.to_path_buf(), "memory.max"),
                list if list.split(',').any(|controller| controller == "memory") => {
                    (root.join("memory"), "memory.limit_in_bytes")
                }
                _ => return None,
            };
            above(&hierarchy, group).filter_map(|folder| read(&folder.join(file))?.trim().parse::<usize>().ok()).min()
        })
        .min()
}

/// The folder of a group and those above it. In a container the group's own path may not be visible; its root is.
fn above<'a>(hierarchy: &'a Path, group: &'a str) -> impl Iterator<Item = PathBuf> + 'a {
    Path::new(group.trim_start_matches('/')).ancestors().map(|group| hierarchy.join(group))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_machine_says_how_much_it_has() {
        assert_eq!(total("MemTotal:       24683 kB\nMemFree:  1 kB\n"), Some(24683 * 1024));
        assert_eq!(total("nothing"), None);
        assert!(memory() > 64 * 1024 * 1024);
    }

    #[test]
    fn the_least_limit_on_the_way_up_counts() {
        let root = tempfile::tempdir().unwrap();
        let write = |file: &str, text: &str| {
            let path = root.path().join(file);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        write("a/memory.max", "4000\n");
        write("a/b/memory.max", "max\n");
        write("memory/c/memory.limit_in_bytes", "3000\n");
        assert_eq!(group_limit("0::/a/b\n", root.path()), Some(4000));
        assert_eq!(group_limit("5:cpu,memory:/c\n0::/a\n", root.path()), Some(3000));
        assert_eq!(group_limit("0::/elsewhere\n", root.path()), None);
    }
}
