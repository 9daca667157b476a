package conformance

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
)

// outcome is what a report says of one test.
type outcome struct {
	state   State
	took    time.Duration
	message string
}

// testCase is an element of a JUnit report as ginkgo writes it
// (github.com/onsi/ginkgo/v2/reporters/junit_report.go).
type testCase struct {
	Name    string  `xml:"name,attr"`
	Status  string  `xml:"status,attr"`
	Seconds float64 `xml:"time,attr"`
	Failure *detail `xml:"failure"`
	Error   *detail `xml:"error"`
	Skipped *detail `xml:"skipped"`
}

type detail struct {
	Message string `xml:"message,attr"`
	Text    string `xml:",chardata"`
}

// readReport reads a report file. A report that was never written is an error
// that wraps [os.ErrNotExist].
func readReport(path string) (map[string]outcome, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	outcomes, err := parseReport(file)
	if err != nil {
		return nil, fmt.Errorf("the report is not whole: %w", err)
	}
	return outcomes, nil
}

// parseReport reads what a report says, by the name of the test. Tests that were
// not chosen are in it too, as skipped and without a reason: they are left out. A
// failure outside of any test is found under the name of its node,
// "[SynchronizedBeforeSuite]".
func parseReport(r io.Reader) (map[string]outcome, error) {
	outcomes := map[string]outcome{}
	decoder := xml.NewDecoder(r)
	for {
		token, err := decoder.Token()
		if errors.Is(err, io.EOF) {
			return outcomes, nil
		}
		if err != nil {
			return nil, err
		}
		start, ok := token.(xml.StartElement)
		if !ok || start.Name.Local != "testcase" {
			continue
		}
		var c testCase
		if err := decoder.DecodeElement(&c, &start); err != nil {
			return nil, err
		}
		name, isTest := strings.CutPrefix(c.Name, "[It] ")
		o := c.outcome()
		if isTest && (o.state != Skipped || o.message != "") || o.state == Failed {
			outcomes[name] = o
		}
	}
}

// outcome turns ginkgo's states (types.SpecState) into ours.
func (c testCase) outcome() outcome {
	o := outcome{took: time.Duration(c.Seconds * float64(time.Second))}
	switch c.Status {
	case "passed":
		o.state = Passed
	case "skipped", "pending":
		o.state = Skipped
	default: // failed, panicked, interrupted, timedout, aborted
		o.state = Failed
	}
	for _, d := range []*detail{c.Failure, c.Error, c.Skipped} {
		if d != nil && o.message == "" {
			o.message = shorten(strings.TrimSpace(d.Text + "\n" + d.Message))
		}
	}
	if o.state == Skipped && strings.HasPrefix(o.message, "skipped") {
		o.message = strings.TrimSpace(strings.TrimPrefix(strings.TrimPrefix(o.message, "skipped"), " - "))
	}
	if o.state == Failed && o.message == "" {
		o.message = c.Status
	}
	return o
}

// longestMessage is how much of a failure is kept: its cause stands at the start,
// dumps of objects follow.
const longestMessage = 600

func shorten(text string) string {
	if len(text) <= longestMessage {
		return text
	}
	return strings.ToValidUTF8(text[:longestMessage], "") + " …"
}
