package run

import (
	"bytes"
	"errors"
	"io"
)

// logEnd is the end of a log, in whole lines.
type logEnd struct {
	text string
	cut  bool // there was more before it
}

// errLongLine says that a log's end is one line that is too long to keep. A part of
// it could be a part of a secret, which nobody would know.
var errLongLine = errors.New("its last line is longer than 1 MiB")

// endOf reads a log and keeps its end. Where reading fails, what was read until
// then is the log: the last line, which may be half a line, is left out, and the
// error counts only when nothing else is left.
func endOf(log io.Reader) (logEnd, error) {
	var (
		end   logEnd
		kept  []byte
		chunk = make([]byte, 64<<10)
		err   error
	)
	for err == nil {
		var n int
		n, err = log.Read(chunk)
		if kept = append(kept, chunk[:n]...); len(kept) > 2*maxLog {
			kept, end.cut = append([]byte{}, kept[len(kept)-maxLog-1:]...), true
		}
	}
	if !errors.Is(err, io.EOF) {
		kept = kept[:bytes.LastIndexByte(kept, '\n')+1]
		if len(kept) == 0 {
			return logEnd{}, err
		}
	}
	if over := len(kept) - maxLog; over > 0 {
		// A line begins after a newline, which may be the one just before.
		kept, end.cut = kept[over-1:], true
	}
	if end.cut {
		newline := bytes.IndexByte(kept, '\n')
		if newline < 0 || newline == len(kept)-1 {
			return logEnd{}, errLongLine
		}
		kept = kept[newline+1:]
	}
	end.text = string(kept)
	return end, nil
}
