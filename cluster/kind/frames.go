package kind

import (
	"encoding/binary"
	"errors"
	"io"
)

// The input of a program in a node comes in frames: a length of four bytes, high
// byte first, and as many bytes. A frame of none is the input's end. The end of
// the frames without one means that who sends is gone, and then so must the
// program be.

// largestFrame bounds what is kept in memory.
const largestFrame = 64 << 10

// errCut says that the frames ended without their last.
var errCut = errors.New("who sends the input is gone")

// sendFrames sends an input and its end. It returns when the input has ended, or
// cannot be written any more.
func sendFrames(to io.Writer, in io.Reader) {
	buffer := make([]byte, 4+largestFrame)
	for in != nil {
		n, err := in.Read(buffer[4:])
		if n > 0 {
			binary.BigEndian.PutUint32(buffer, uint32(n))
			if _, err := to.Write(buffer[:4+n]); err != nil {
				return
			}
		}
		if err != nil {
			break
		}
	}
	_, _ = to.Write([]byte{0, 0, 0, 0}) // a program that has ended needs no end of its input
}

// takeFrames passes frames on until their last, which closes to. A program that
// takes no more input is no error.
func takeFrames(to io.WriteCloser, from io.Reader) error {
	defer to.Close()
	var head [4]byte
	for {
		if _, err := io.ReadFull(from, head[:]); err != nil {
			return errCut
		}
		n := binary.BigEndian.Uint32(head[:])
		if n == 0 {
			return nil
		}
		if n > largestFrame {
			return errors.New("a frame of the input is too long")
		}
		frame := make([]byte, n)
		if _, err := io.ReadFull(from, frame); err != nil {
			return errCut
		}
		_, _ = to.Write(frame)
	}
}
