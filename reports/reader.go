package reports

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// maxLine bounds one line of a journal, in bytes. The longest honest ones are
// events with hundreds of victims.
const maxLine = 4 << 20

// Open reads the record in the folder dir. A last line that was cut off, as a
// killed writer leaves it, sets Truncated; anything else that is wrong is an
// error that names file and line.
func Open(dir string) (*Record, error) {
	for _, name := range []string{FileScenario, FilePlan, FileRecord} {
		if err := isFile(dir, name); err != nil {
			return nil, err
		}
	}
	path := filepath.Join(dir, FileRecord)
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open the record: %w", err)
	}
	defer file.Close()
	r := reader{path: path, in: bufio.NewReaderSize(file, 1<<16), names: map[string]string{}, maps: map[string]map[string]string{}}
	rec, err := r.read()
	if err == nil && rec.Header.Format == Format {
		err = rec.readRequests(dir)
	}
	if err != nil {
		return nil, err
	}
	rec.Dir = dir
	return rec, nil
}

// isFile tells in plain words what is wrong when dir/name is no file.
func isFile(dir, name string) error {
	info, err := os.Stat(filepath.Join(dir, name))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if _, derr := os.Stat(dir); derr != nil {
			return fmt.Errorf("there is no record %s: %w", dir, derr)
		}
		return fmt.Errorf("%s is not a complete record: it has no %s: %w", dir, name, err)
	case err != nil:
		return fmt.Errorf("read the record %s: %w", dir, err)
	case !info.Mode().IsRegular():
		return fmt.Errorf("%s is not a record: %s is not a file", dir, name)
	}
	return nil
}

// reader reads one journal.
type reader struct {
	path string
	in   *bufio.Reader
	line int
	long []byte // holds a line that is longer than the buffer of in
	// names holds each text of a request once: a million share a handful.
	names map[string]string
	maps  map[string]map[string]string // likewise each map of texts
	// slab is where requests are put, thousands in one allocation.
	slab []RequestEntry
}

func (r *reader) read() (*Record, error) {
	header, whole, err := r.next()
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	if !whole {
		return nil, fmt.Errorf("%s:1: the first line is not complete: the run was killed before it began", r.path)
	}
	rec := &Record{}
	if err := json.Unmarshal(header, &rec.Header); err != nil {
		return nil, fmt.Errorf("%s:1: the first line is no header: %w", r.path, err)
	}
	if rec.Header.Format != Format && rec.Header.Format != formatInLines {
		return nil, fmt.Errorf("%s:1: the record's format is %q, this version of squall reads %q and %q only",
			r.path, rec.Header.Format, formatInLines, Format)
	}
	for {
		raw, whole, err := r.next()
		if errors.Is(err, io.EOF) {
			return rec, nil
		}
		if err != nil {
			return nil, err
		}
		entry, err := r.entry(raw)
		if err != nil && whole {
			return nil, err
		}
		if !whole {
			rec.Truncated = true
		}
		if err == nil {
			rec.Entries = append(rec.Entries, entry)
		}
	}
}

// next returns the next line, valid until the call after, without its newline.
// whole is false for a last line that has none. The error is io.EOF when there
// is nothing more.
func (r *reader) next() (line []byte, whole bool, err error) {
	r.line++
	line, err = r.in.ReadSlice('\n')
	r.long = r.long[:0]
	for errors.Is(err, bufio.ErrBufferFull) {
		r.long = append(r.long, line...)
		if len(r.long) > maxLine {
			return nil, false, fmt.Errorf("%s:%d: the line is longer than %d bytes: this is no record", r.path, r.line, maxLine)
		}
		line, err = r.in.ReadSlice('\n')
	}
	if len(r.long) > 0 {
		r.long = append(r.long, line...)
		line = r.long
	}
	if errors.Is(err, io.EOF) && len(line) > 0 {
		return line, false, nil
	}
	if err != nil {
		if !errors.Is(err, io.EOF) {
			err = fmt.Errorf("%s:%d: read the record: %w", r.path, r.line, err)
		}
		return nil, false, err
	}
	return bytes.TrimSuffix(line, []byte("\n")), true, nil
}

func (r *reader) entry(raw []byte) (Entry, error) {
	if e, ok := r.request(raw); ok {
		return e, nil
	}
	var e Entry
	if err := json.Unmarshal(raw, &e); err != nil {
		return Entry{}, fmt.Errorf("%s:%d: the line is no entry of a record: %w", r.path, r.line, err)
	}
	if err := e.check(); err != nil {
		return Entry{}, fmt.Errorf("%s:%d: %w", r.path, r.line, err)
	}
	return e, nil
}

// request reads the line of a request, which nearly all lines are, several
// times faster than encoding/json. A line that is in any way unlike those that
// the Writer makes is left to the general way, which knows all JSON and the
// errors.
func (r *reader) request(raw []byte) (Entry, bool) {
	if len(r.slab) == 0 {
		r.slab = make([]RequestEntry, 1024)
	}
	req, c := &r.slab[0], cursor{rest: raw, names: r.names, maps: r.maps}
	*req = RequestEntry{}
	at := c.number(`{"at":`)
	req.Load = c.text(`,"kind":"request","request":{"load":`)
	seq := c.number(`,"seq":`)
	req.Seq = uint64(seq)
	req.Sent = Offset(c.number(`,"sent":`))
	req.Done = Offset(c.number(`,"done":`))
	req.Code = int(c.number(`,"code":`))
	if c.next(`,"error":`) {
		req.Error = c.text(`,"error":`)
	}
	if c.next(`,"skipped":true`) {
		c.skip(`,"skipped":true`)
		req.Skipped = true
	}
	if c.next(`,"instance":`) {
		req.Instance = c.text(`,"instance":`)
	}
	if c.next(`,"version":`) {
		req.Version = c.text(`,"version":`)
	}
	if c.next(`,"target":`) {
		req.Target = c.text(`,"target":`)
	}
	if c.next(`,"by":`) {
		req.By = c.labels(`,"by":`)
	}
	c.skip(`}}`)
	if c.failed || seq < 0 || len(c.rest) > 0 {
		return Entry{}, false
	}
	r.slab = r.slab[1:]
	return Entry{At: Offset(at), Kind: KindRequest, Request: req}, true
}
