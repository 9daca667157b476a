package reports

import (
	"bufio"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// maxLogText is how much of a line of a log is told, in characters.
const maxLogText = 200

// LogLine is a line of a container's log.
type LogLine struct {
	At   Offset `json:"at"`
	Pod  string `json:"pod"`  // namespace/name
	Of   string `json:"of"`   // pod and container, for people
	Text string `json:"text"` // at most 200 characters of it
}

// LogLines are the lines of the kept logs from one moment to another, in no order
// between logs. A log that is gone from the folder, and lines without a time, have
// none: logs are for people, and no verdict comes from them.
func (r *Record) LogLines(from, to Offset) []LogLine {
	var lines []LogLine
	for _, e := range r.Entries {
		if e.Log == nil || r.Dir == "" || !filepath.IsLocal(e.Log.File) {
			continue
		}
		lines = append(lines, r.linesOf(*e.Log, from, to)...)
	}
	return lines
}

// linesOf are the lines of one log.
func (r *Record) linesOf(log LogEntry, from, to Offset) (lines []LogLine) {
	file, err := os.Open(filepath.Join(r.Dir, log.File))
	if err != nil {
		return nil
	}
	defer file.Close()
	_, pod, _ := strings.Cut(log.Pod, "/")
	of := pod + "/" + log.Container
	if log.Previous {
		of += " before its restart"
	}
	in := bufio.NewScanner(file)
	in.Buffer(nil, maxLine)
	for in.Scan() {
		stamp, text, _ := strings.Cut(in.Text(), " ")
		when, err := time.Parse(time.RFC3339Nano, stamp)
		if err != nil {
			continue
		}
		if at := when.Sub(r.Header.Started); at >= from && at <= to {
			lines = append(lines, LogLine{At: at, Pod: log.Pod, Of: of, Text: shortened(text)})
		}
	}
	return lines
}

// shortened is a text of at most maxLogText characters.
func shortened(text string) string {
	if runes := []rune(text); len(runes) > maxLogText {
		return string(runes[:maxLogText-1]) + "…"
	}
	return text
}
