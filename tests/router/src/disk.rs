//! The router's disk: a network block device whose cache is lost with the power.
//!
//! Real eMMC and SD cards promise what was written only after a flush. So a write is kept in a list until the guest
//! flushes, and at a power cut each unflushed write survives, is lost or is torn between two sectors, by the seed's
//! choice. A killed qemu over an image file would keep every write that the guest's kernel had handed over, and so hide
//! a missing flush. Counts what reaches it. Speaks the newstyle NBD protocol as far as qemu uses it, over a Unix
//! socket.

use std::io::{self, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

const SECTOR_BYTES: usize = 512;
const INIT_MAGIC: &[u8; 16] = b"NBDMAGICIHAVEOPT";
const FIXED_NEWSTYLE_NO_ZEROES: u16 = 3;
const OPTION_REPLY_MAGIC: u64 = 0x0003_e889_0455_65a9;
const REQUEST_MAGIC: u32 = 0x2560_9513;
const REPLY_MAGIC: u32 = 0x6744_6698;
const HAS_FLAGS_FLUSH_FUA: u16 = 1 | 4 | 8;
const INPUT_OUTPUT_ERROR: u32 = 5;

/// What reached the disk so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Bytes written.
    pub bytes: u64,
    /// Write requests.
    pub writes: u64,
    /// Flushes of its cache; a write with FUA is one too.
    pub flushes: u64,
}

struct Unflushed {
    offset: usize,
    bytes: Vec<u8>,
    /// Written through (FUA).
    safe: bool,
}

#[derive(Default)]
struct Platter {
    /// What the guest reads.
    image: Vec<u8>,
    /// What is left when the power goes and the cache with it.
    safe: Vec<u8>,
    unflushed: Vec<Unflushed>,
    traffic: Traffic,
    /// Refuses writes and flushes.
    broken: bool,
}

/// A disk that qemu can be given.
#[derive(Clone)]
pub struct Disk(Arc<Mutex<Platter>>);

impl Disk {
    /// Serves `image` at `socket` for as long as the process lives.
    pub fn serve(image: Vec<u8>, socket: &Path) -> io::Result<Self> {
        let disk = Self(Arc::new(Mutex::new(Platter { safe: image.clone(), image, ..Platter::default() })));
        let listener = UnixListener::bind(socket)?;
        let served = disk.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let disk = served.clone();
                // A connection ends with the qemu at its other end, which is killed.
                std::thread::spawn(move || drop(disk.attend(stream)));
            }
        });
        Ok(disk)
    }

    /// What reached it so far.
    pub fn traffic(&self) -> Traffic {
        self.platter().traffic
    }

    /// From now on it refuses writes and flushes, or takes them again.
    pub fn set_broken(&self, broken: bool) {
        self.platter().broken = broken;
    }

    /// The power goes. Call it when the virtual machine is dead.
    pub fn cut(&self, random: &mut fastrand::Rng) {
        let mut platter = self.platter();
        // Caches that were written back by chance in full, in part or not at all.
        let kept = [0, 128, 255][random.usize(0..3)];
        for Unflushed { offset, bytes, safe } in core::mem::take(&mut platter.unflushed) {
            let sectors = bytes.len() / SECTOR_BYTES;
            let length = match random.u8(0..=254) < kept {
                _ if safe => bytes.len(),
                false => 0,
                true if kept < 255 && random.u8(0..4) == 0 => random.usize(0..=sectors) * SECTOR_BYTES,
                true => bytes.len(),
            };
            platter.safe[offset..offset + length].copy_from_slice(&bytes[..length]);
        }
        let Platter { image, safe, .. } = &mut *platter;
        image.copy_from_slice(safe);
    }

    fn platter(&self) -> MutexGuard<'_, Platter> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn attend(&self, mut stream: UnixStream) -> io::Result<()> {
        self.agree(&mut stream)?;
        loop {
            let mut head = [0; 28];
            stream.read_exact(&mut head)?;
            if number(&head[..4]) != u64::from(REQUEST_MAGIC) {
                return Err(io::ErrorKind::InvalidData.into());
            }
            let through = number(&head[4..6]) & 1 != 0;
            let (offset, length) = (number(&head[16..24]) as usize, number(&head[24..28]) as usize);
            let mut data = Vec::new();
            let mut error = 0;
            let broken = self.platter().broken;
            match number(&head[6..8]) {
                0 => data = self.read(offset, length),
                1 => {
                    let mut bytes = vec![0; length];
                    stream.read_exact(&mut bytes)?;
                    if broken {
                        error = INPUT_OUTPUT_ERROR;
                    } else {
                        self.write(offset, bytes, through);
                    }
                }
                2 => return Ok(()),
                3 if !broken => self.flush(),
                _ => error = INPUT_OUTPUT_ERROR,
            }
            let mut reply = [&REPLY_MAGIC.to_be_bytes()[..], &error.to_be_bytes(), &head[8..16]].concat();
            reply.append(&mut data);
            stream.write_all(&reply)?;
        }
    }

    /// The handshake, up to the client's choice of the only export there is.
    fn agree(&self, stream: &mut UnixStream) -> io::Result<()> {
        const GO: u64 = 7;
        const ABORT: u64 = 2;
        stream.write_all(INIT_MAGIC)?;
        stream.write_all(&FIXED_NEWSTYLE_NO_ZEROES.to_be_bytes())?;
        stream.read_exact(&mut [0; 4])?;
        loop {
            let mut head = [0; 16];
            stream.read_exact(&mut head)?;
            let (option, length) = (number(&head[8..12]), number(&head[12..16]) as usize);
            stream.read_exact(&mut vec![0; length])?;
            let mut answer = |kind: u32, data: &[u8]| {
                let head = [&OPTION_REPLY_MAGIC.to_be_bytes()[..], &head[8..12], &kind.to_be_bytes()].concat();
                stream.write_all(&[&head[..], &(data.len() as u32).to_be_bytes(), data].concat())
            };
            match option {
                GO => {
                    let size = self.platter().image.len() as u64;
                    let export = [&[0, 0][..], &size.to_be_bytes(), &HAS_FLAGS_FLUSH_FUA.to_be_bytes()].concat();
                    answer(3, &export)?;
                    return answer(1, &[]);
                }
                ABORT => return answer(1, &[]).and(Err(io::ErrorKind::ConnectionAborted.into())),
                _ => answer(0x8000_0001, &[])?,
            }
        }
    }

    fn read(&self, offset: usize, length: usize) -> Vec<u8> {
        self.platter().image[offset..offset + length].to_vec()
    }

    fn write(&self, offset: usize, bytes: Vec<u8>, through: bool) {
        let mut platter = self.platter();
        platter.traffic.bytes += bytes.len() as u64;
        platter.traffic.writes += 1;
        platter.traffic.flushes += u64::from(through);
        platter.image[offset..offset + bytes.len()].copy_from_slice(&bytes);
        platter.unflushed.push(Unflushed { offset, bytes, safe: through });
    }

    fn flush(&self) {
        let mut platter = self.platter();
        platter.traffic.flushes += 1;
        let Platter { safe, unflushed, .. } = &mut *platter;
        for Unflushed { offset, bytes, .. } in unflushed.drain(..) {
            safe[offset..offset + bytes.len()].copy_from_slice(&bytes);
        }
    }
}

/// A big-endian number of up to eight bytes.
fn number(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn disk() -> Disk {
        Disk(Arc::new(Mutex::new(Platter { image: vec![0; 4096], safe: vec![0; 4096], ..Platter::default() })))
    }

    #[test]
    fn what_was_flushed_or_written_through_outlives_every_cut_and_the_rest_does_not_outlive_all() {
        let mut lost = false;
        for seed in 0..50 {
            let disk = disk();
            disk.write(0, vec![1; 512], false);
            disk.flush();
            disk.write(512, vec![2; 512], true);
            disk.write(1024, vec![3; 1024], false);
            assert_eq!(disk.read(1024, 1024), [3; 1024], "read back before the cut");
            disk.cut(&mut fastrand::Rng::with_seed(seed));
            assert_eq!(disk.read(0, 512), [1; 512]);
            assert_eq!(disk.read(512, 512), [2; 512]);
            lost |= disk.read(1024, 1024) != [3; 1024];
        }
        assert!(lost);
    }
}
