package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
	"gvisor.dev/gvisor/pkg/bufferv2"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
	"gvisor.dev/gvisor/pkg/tcpip/link/channel"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
)

func onChannel(address net.IP, mtu int) (*stack.Stack, *channel.Endpoint) {
	s := newStack()
	link := channel.New(1024, uint32(mtu), "")
	mustTCPIP(s.CreateNIC(1, link), "NIC")
	defaultRoute(s)
	addAddress(s, address, 24)
	return s, link
}

func carry(from, to *channel.Endpoint) {
	for {
		packet := from.ReadContext(context.Background())
		if packet.IsNil() {
			return
		}
		copied := stack.NewPacketBuffer(stack.PacketBufferOptions{Payload: bufferv2.MakeWithData(packet.ToView().AsSlice())})
		packet.DecRef()
		to.InjectInbound(ipv4.ProtocolNumber, copied)
		copied.DecRef()
	}
}

// cpuSeconds is the time of all threads, the garbage collector's too.
func cpuSeconds() float64 {
	var now unix.Timespec
	must(unix.ClockGettime(unix.CLOCK_PROCESS_CPUTIME_ID, &now), "clock")
	return float64(now.Nano()) / 1e9
}

// pair runs bulk one way between two stacks, and prints what arrived.
func pair(mtu, flows int, seconds float64) {
	addresses := []net.IP{net.IPv4(10, 0, 0, 1), net.IPv4(10, 0, 0, 2)}
	client, clientLink := onChannel(addresses[0], mtu)
	server, serverLink := onChannel(addresses[1], mtu)
	go carry(clientLink, serverLink)
	go carry(serverLink, clientLink)
	// Nobody sends before all are connected: else the last find no processor for their handshakes.
	begin := make(chan struct{})
	listen(server, addresses[1], portSource, func(conn net.Conn) {
		<-begin
		source(conn)
	})

	var received uint64
	for i := 0; i < flows; i++ {
		at := tcpip.FullAddress{NIC: 1, Addr: tcpip.Address(addresses[1].To4()), Port: portSource}
		conn, err := gonet.DialTCP(client, at, ipv4.ProtocolNumber)
		must(err, "connect")
		go func() {
			chunk := make([]byte, 64<<10)
			for {
				n, err := io.ReadAtLeast(conn, chunk, 1)
				if err != nil {
					return
				}
				atomic.AddUint64(&received, uint64(n))
			}
		}()
	}
	close(begin)
	time.Sleep(300 * time.Millisecond)
	before, began, spent := atomic.LoadUint64(&received), time.Now(), cpuSeconds()
	time.Sleep(time.Duration(seconds * float64(time.Second)))
	took := time.Since(began).Seconds()
	rate := float64(atomic.LoadUint64(&received)-before) * 8 / took
	fmt.Printf("{\"seconds\":%.6f,\"cpu_s\":%.6f,\"gbit_per_s\":%.3f}\n", took, cpuSeconds()-spent, rate/1e9)
}
