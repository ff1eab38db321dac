// A server in Go that resets its clients, for `safeclose watch` to explain. It prints its port. A client that begins
// with "drop" is closed with its data unread, any other is answered and closed: data that it sends later is late.
package main

import (
	"fmt"
	"io"
	"net"
	"os"
)

//go:noinline
func dropClient(c net.Conn) { c.Close() }

//go:noinline
func finishResponse(c net.Conn) {
	c.Write([]byte("hello"))
	c.Close()
}

func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(listener.Addr().(*net.TCPAddr).Port)
	for {
		c, err := listener.Accept()
		if err != nil {
			os.Exit(1)
		}
		word := make([]byte, 4)
		io.ReadFull(c, word)
		if string(word) == "drop" {
			dropClient(c)
		} else {
			finishResponse(c)
		}
	}
}
