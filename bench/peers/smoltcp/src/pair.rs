//! Two stacks in one thread, with rings of packets between: what is read and written in place is copied by the stacks only.

use crate::{CHUNK_BYTES, MTU_MAX, PORT_SOURCE};
use smoltcp::iface::{Interface, SocketHandle, SocketSet};
use smoltcp::phy::{Device, DeviceCapabilities, RxToken, TxToken};
use smoltcp::socket::tcp;
use smoltcp::time::Instant;
use smoltcp::wire::{IpAddress, Ipv4Address};
use std::cell::RefCell;
use std::rc::Rc;

const RING_PACKETS: usize = 64;
const SMALL_BYTES: usize = 4 << 10;
const ROUNDS_PER_CLOCK: usize = 64;

struct Ring {
    packets: Vec<Vec<u8>>,
    lens: [usize; RING_PACKETS],
    taken: usize,
    put: usize,
}

type Shared = Rc<RefCell<Ring>>;

struct Pipe {
    mtu: usize,
    from: Shared,
    to: Shared,
}

struct Received(Shared);
struct ToSend(Shared);

impl RxToken for Received {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, take: F) -> R {
        let mut ring = self.0.borrow_mut();
        let at = ring.taken % RING_PACKETS;
        let took = take(&ring.packets[at][..ring.lens[at]]);
        ring.taken += 1;
        took
    }
}

impl TxToken for ToSend {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, fill: F) -> R {
        let mut ring = self.0.borrow_mut();
        let at = ring.put % RING_PACKETS;
        let filled = fill(&mut ring.packets[at][..len]);
        ring.lens[at] = len;
        ring.put += 1;
        filled
    }
}

impl Ring {
    fn shared(mtu: usize) -> Shared {
        let packets = vec![vec![0; mtu]; RING_PACKETS];
        Rc::new(RefCell::new(Ring { packets, lens: [0; RING_PACKETS], taken: 0, put: 0 }))
    }

    fn count(&self) -> usize {
        self.put - self.taken
    }
}

impl Device for Pipe {
    type RxToken<'a> = Received;
    type TxToken<'a> = ToSend;

    fn receive(&mut self, now: Instant) -> Option<(Received, ToSend)> {
        let is_empty = self.from.borrow().count() == 0;
        if is_empty {
            None
        } else {
            Some((Received(self.from.clone()), self.transmit(now)?))
        }
    }

    fn transmit(&mut self, _: Instant) -> Option<ToSend> {
        let is_full = self.to.borrow().count() == RING_PACKETS;
        if is_full {
            None
        } else {
            Some(ToSend(self.to.clone()))
        }
    }

    fn capabilities(&self) -> DeviceCapabilities {
        crate::capabilities(self.mtu)
    }
}

struct Side {
    device: Pipe,
    iface: Interface,
    sockets: SocketSet<'static>,
    streams: Vec<SocketHandle>,
}

impl Side {
    fn new(mtu: usize, from: &Shared, to: &Shared, address: Ipv4Address) -> Side {
        let mut device = Pipe { mtu, from: from.clone(), to: to.clone() };
        let iface = crate::interface(&mut device, address);
        Side { device, iface, sockets: SocketSet::new(vec![]), streams: vec![] }
    }

    fn poll(&mut self) {
        self.iface.poll(Instant::now(), &mut self.device, &mut self.sockets);
    }

    fn each(&mut self, mut act: impl FnMut(&mut tcp::Socket)) {
        self.poll();
        for &handle in &self.streams {
            act(self.sockets.get_mut(handle));
        }
        self.poll();
    }
}

fn cpu_seconds() -> f64 {
    let mut now: libc::timespec = unsafe { std::mem::zeroed() };
    unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut now) };
    now.tv_sec as f64 + now.tv_nsec as f64 / 1e9
}

/// Bulk one way; prints what arrived.
pub fn run(mtu: usize, flows: usize, seconds: f64) {
    let (mtu, buffer_bytes) = (mtu.min(MTU_MAX), if flows > 10 { 128 << 10 } else { 512 << 10 });
    let (there, back) = (Ring::shared(mtu), Ring::shared(mtu));
    let mut reader = Side::new(mtu, &back, &there, Ipv4Address::new(10, 0, 0, 1));
    let mut writer = Side::new(mtu, &there, &back, Ipv4Address::new(10, 0, 0, 2));
    let mut chunk = vec![0; CHUNK_BYTES];
    for flow in 0..flows {
        let handle = writer.sockets.add(crate::tcp_socket(SMALL_BYTES, buffer_bytes));
        writer.sockets.get_mut::<tcp::Socket>(handle).listen(PORT_SOURCE).expect("listens");
        writer.streams.push(handle);
        let handle = reader.sockets.add(crate::tcp_socket(buffer_bytes, SMALL_BYTES));
        let socket = reader.sockets.get_mut::<tcp::Socket>(handle);
        let at = (IpAddress::v4(10, 0, 0, 2), PORT_SOURCE);
        socket.connect(reader.iface.context(), at, 10_000 + flow as u16).expect("connects");
        reader.streams.push(handle);
    }
    let mut received = 0;
    let mut run_for = |limit: f64| {
        let (began, spent, before) = (std::time::Instant::now(), cpu_seconds(), received);
        while began.elapsed().as_secs_f64() < limit {
            for _ in 0..ROUNDS_PER_CLOCK {
                writer.each(|socket| while socket.send_slice(&chunk).is_ok_and(|n| n > 0) {});
                reader.each(|socket| {
                    while let Some(n) = socket.recv_slice(&mut chunk).ok().filter(|&n| n > 0) {
                        received += n;
                    }
                });
            }
        }
        (began.elapsed().as_secs_f64(), cpu_seconds() - spent, received - before)
    };
    run_for(0.3);
    let (took, cpu, bytes) = run_for(seconds);
    println!("{{\"seconds\":{took:.6},\"cpu_s\":{cpu:.6},\"gbit_per_s\":{:.3}}}", bytes as f64 * 8.0 / took / 1e9);
}
