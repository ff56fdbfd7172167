package main

import (
	"io"
	"net"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/adapters/gonet"
	"gvisor.dev/gvisor/pkg/tcpip/network/ipv4"
	"gvisor.dev/gvisor/pkg/tcpip/stack"
)

// load.h
const (
	portSink    = 7001
	portSource  = 7002
	portEcho    = 7003
	portUDPEcho = 7004
	portIdle    = 7010
	idlePorts   = 4
)

func sink(conn net.Conn) {
	defer conn.Close()
	chunk := make([]byte, chunkBytes)
	for {
		if _, err := conn.Read(chunk); err != nil {
			return
		}
	}
}

// wait keeps a connection for which no buffer shall be spent.
func wait(conn net.Conn) {
	defer conn.Close()
	var byte1 [1]byte
	_, _ = conn.Read(byte1[:])
}

func source(conn net.Conn) {
	defer conn.Close()
	chunk := make([]byte, chunkBytes)
	for {
		if _, err := conn.Write(chunk); err != nil {
			return
		}
	}
}

func echo(conn net.Conn) {
	defer conn.Close()
	_, _ = io.CopyBuffer(struct{ io.Writer }{conn}, struct{ io.Reader }{conn}, make([]byte, 1024))
}

func listen(s *stack.Stack, address net.IP, port int, handle func(net.Conn)) {
	at := tcpip.FullAddress{NIC: 1, Addr: tcpip.Address(address.To4()), Port: uint16(port)}
	listener, err := gonet.ListenTCP(s, at, ipv4.ProtocolNumber)
	must(err, "listen")
	go func() {
		for {
			conn, err := listener.Accept()
			must(err, "accept")
			go handle(conn)
		}
	}()
}

func serve(s *stack.Stack, address net.IP) {
	listen(s, address, portSink, sink)
	listen(s, address, portSource, source)
	listen(s, address, portEcho, echo)
	for i := 0; i < idlePorts; i++ {
		listen(s, address, portIdle+i, wait)
	}
	at := tcpip.FullAddress{NIC: 1, Addr: tcpip.Address(address.To4()), Port: portUDPEcho}
	conn, err := gonet.DialUDP(s, &at, nil, ipv4.ProtocolNumber)
	must(err, "UDP")
	go func() {
		datagram := make([]byte, 2048)
		for {
			n, from, err := conn.ReadFrom(datagram)
			must(err, "UDP")
			_, _ = conn.WriteTo(datagram[:n], from)
		}
	}()
}
