package sample_test

import (
	"bytes"
	"compress/flate"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"squall/workloads/sample"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// ordinary are requests as a generator ends them: most good, in about the order
// in which they were due.
func ordinary(n int) []sample.Sample {
	r := rand.New(rand.NewPCG(7, 11))
	var shared sample.Shared
	var all []sample.Sample
	for i := range n {
		due := 5*time.Second + time.Duration(i)*time.Second/3000
		one := sample.Sample{Seq: uint64(i), Due: due, Sent: due + time.Duration(60_000+r.IntN(40_000))}
		one.Done = one.Sent + time.Duration(500_000+r.IntN(3_000_000))
		a := sample.Answer{Code: 200, Instance: fmt.Sprintf("catalog-6f9c7c8d5-abcd%d", r.IntN(3)), Version: "v1", By: map[string]string{"version": "v1", "zone": "a"}}
		if r.IntN(100) == 0 {
			a = sample.Answer{Error: "connection refused", Class: sample.Failed}
		}
		one.Answer = shared.Of(a)
		all = append(all, one)
	}
	for i := 0; i+1 < len(all); i += 1 + r.IntN(5) { // a later one may be answered first
		all[i], all[i+1] = all[i+1], all[i]
	}
	return all
}

// strange are requests that test the ends of every field.
func strange() []sample.Sample {
	most, least := time.Duration(math.MaxInt64), time.Duration(math.MinInt64)
	return []sample.Sample{
		{Answer: &sample.Answer{}},
		{Seq: math.MaxUint64, Due: most, Sent: least, Done: most, Answer: &sample.Answer{Code: math.MinInt32, Class: 255, Skipped: true}},
		{Seq: 3, Due: least, Sent: most, Done: least, Answer: &sample.Answer{Code: math.MaxInt32, Error: "dial:\n\x1b[31m \"x\" ü\xff\x00", Target: "buy", By: map[string]string{"": "1", "x": ""}}},
		{Seq: 3, Due: least, Answer: &sample.Answer{Instance: "a", Version: "a", Target: "a", Error: "a", Class: sample.Degraded}},
	}
}

// encode writes requests of loads by turns, in frames of so many.
func encode(all []sample.Sample, perFrame int, loads ...string) []byte {
	text := []byte(sample.Magic)
	encoders := map[string]*sample.Encoder{}
	for _, load := range loads {
		encoders[load] = sample.NewEncoder(load)
	}
	for i, one := range all {
		e := encoders[loads[i%len(loads)]]
		e.Add(one)
		if (i/len(loads))%perFrame == perFrame-1 {
			text = e.AppendFrame(text)
		}
	}
	for _, load := range loads {
		text = encoders[load].AppendFrame(text)
		text = encoders[load].AppendFrame(text) // of nothing: nothing
	}
	return text
}

// decode reads all that is whole.
func decode(text []byte) (map[string][]sample.Sample, error) {
	r := sample.NewReader(bytes.NewReader(text))
	all := map[string][]sample.Sample{}
	for {
		some, err := r.Requests()
		if errors.Is(err, io.EOF) {
			return all, nil
		}
		if err != nil {
			return all, err
		}
		all[some.Load] = append(all[some.Load], some.Samples...)
	}
}

func TestWhatIsWrittenIsReadBackExactly(t *testing.T) {
	for name, all := range map[string][]sample.Sample{"ordinary": ordinary(5000), "strange": strange(), "one": ordinary(1)} {
		for _, perFrame := range []int{1, 3, 1 << 20} {
			got, err := decode(encode(all, perFrame, "browse"))
			require.NoError(t, err)
			assert.Equal(t, map[string][]sample.Sample{"browse": all}, got, "%s, %d a frame", name, perFrame)
		}
	}
	all := ordinary(9)
	got, err := decode(encode(all, 2, "browse", "", "lö\n"))
	require.NoError(t, err)
	assert.Equal(t, map[string][]sample.Sample{
		"browse": {all[0], all[3], all[6]}, "": {all[1], all[4], all[7]}, "lö\n": {all[2], all[5], all[8]}}, got)
}

func TestARequestTakesAboutTenBytes(t *testing.T) {
	const n = 100_000
	text := encode(ordinary(n), 3000, "browse")
	each := float64(len(text)) / n
	var packed bytes.Buffer
	w, err := flate.NewWriter(&packed, flate.DefaultCompression)
	require.NoError(t, err)
	_, err = w.Write(text)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	t.Logf("%.1f bytes a request, %.1f when packed", each, float64(packed.Len())/n)
	assert.Less(t, each, 12.0)
}

func TestWhatWasCutOffIsReadToTheLastWholeFrame(t *testing.T) {
	all := ordinary(40)
	text := encode(all, 10, "browse")
	var ends []int // of whole frames
	for n := range 5 {
		ends = append(ends, len(encode(all[:10*n], 10, "browse")))
	}
	for cut := range text {
		got, err := decode(text[:cut])
		whole := 0
		for n, end := range ends {
			if cut >= end {
				whole = n
			}
		}
		if cut == 0 || cut == ends[whole] {
			require.NoError(t, err, "cut at %d", cut)
		} else {
			require.ErrorIs(t, err, io.ErrUnexpectedEOF, "cut at %d", cut)
		}
		require.Len(t, got["browse"], 10*whole, "cut at %d", cut)
	}
}

func TestDamageIsNoticed(t *testing.T) {
	all := ordinary(40)
	text := encode(all, 10, "browse")
	for at := range text {
		spoilt := bytes.Clone(text)
		spoilt[at] ^= 0x10
		got, err := decode(spoilt)
		require.Error(t, err, "byte %d", at)
		for i, one := range got["browse"] {
			require.Equal(t, all[i], one, "byte %d", at)
		}
	}
}

func TestWhatIsNoSamplesIsSaid(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"another version": {"squall samples 9\n", `samples begin with "squall samples 1\n"`},
		"words":           {"panic: a generator", `and not with "panic: a generato"`},
		"huge":            {sample.Magic + "r\xff\xff\xff\xff....", "at byte 17: a frame of 4294967295 bytes"},
		"another kind":    {sample.Magic + string(sample.AppendFrame(nil, 'x', nil)), "an unknown kind 'x'"},
		"empty":           {sample.Magic + string(sample.AppendFrame(nil, 'r', nil)), "does not hold requests"},
		"more than it is": {sample.Magic + string(sample.AppendFrame(nil, 'r', []byte{0, 0, 0, 0, 0})), "does not hold requests"},
		"many of nothing": {sample.Magic + string(sample.AppendFrame(nil, 'r', []byte{0, 255, 255, 255, 127})), "does not hold requests"},
	} {
		_, err := decode([]byte(c.text))
		assert.ErrorContains(t, err, c.want, name)
	}
}

func TestEqualAnswersAreOne(t *testing.T) {
	var s sample.Shared
	a := func() sample.Answer {
		return sample.Answer{Code: 200, By: map[string]string{"b": "1", "a": "2", "c": ""}}
	}
	one := s.Of(a())
	assert.Same(t, one, s.Of(a()))
	for _, change := range []func(*sample.Answer){
		func(a *sample.Answer) { a.Code = 201 },
		func(a *sample.Answer) { a.Class = sample.Full },
		func(a *sample.Answer) { a.Skipped = true },
		func(a *sample.Answer) { a.Error = "x" },
		func(a *sample.Answer) { a.Instance = "x" },
		func(a *sample.Answer) { a.Version = "x" },
		func(a *sample.Answer) { a.Target = "x" },
		func(a *sample.Answer) { a.By["a"] = "1" },
		func(a *sample.Answer) { delete(a.By, "c") },
		func(a *sample.Answer) { a.By = nil },
	} {
		other := a()
		change(&other)
		assert.NotSame(t, one, s.Of(other), "%+v", other)
		assert.Equal(t, other, *s.Of(other))
	}
	for i := range 100_000 { // a new value in each: none is kept for ever
		s.Of(sample.Answer{Version: fmt.Sprint(i)})
	}
	assert.NotSame(t, one, s.Of(a()))
}

func TestAddingMakesNoGarbage(t *testing.T) {
	all := ordinary(3000)
	e := sample.NewEncoder("browse")
	var text []byte
	once := func() {
		for _, one := range all {
			e.Add(one)
		}
		text = e.AppendFrame(text[:0])
	}
	once()
	assert.LessOrEqual(t, testing.AllocsPerRun(10, once), 2.0)
}

func FuzzReader(f *testing.F) {
	f.Add(encode(ordinary(20), 5, "browse"))
	f.Add(encode(strange(), 2, "", "x"))
	f.Fuzz(func(t *testing.T, text []byte) {
		first, err := decode(text)
		if err != nil {
			return
		}
		for load, all := range first { // what can be read can be written and read again
			again, err := decode(encode(all, 7, load))
			require.NoError(t, err)
			require.Equal(t, all, again[load])
		}
	})
}

// fuzzed frames have the right checksum, so that what is inside is reached.
func FuzzDecode(f *testing.F) {
	text := encode(strange(), 10, "x")
	f.Add(text[len(sample.Magic)+9:])
	f.Fuzz(func(t *testing.T, holds []byte) {
		some, err := decode(sample.AppendFrame([]byte(sample.Magic), sample.FrameRequests, holds))
		if err != nil {
			return
		}
		for load, all := range some {
			again, err := decode(encode(all, 7, load))
			require.NoError(t, err)
			require.Equal(t, all, again[load])
		}
	})
}

func BenchmarkAdd(b *testing.B) {
	all := ordinary(3000)
	e := sample.NewEncoder("browse")
	var text []byte
	i := 0
	for b.Loop() {
		e.Add(all[i])
		if i++; i == len(all) {
			i, text = 0, e.AppendFrame(text[:0])
		}
	}
}
