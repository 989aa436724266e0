package output

import (
	"bufio"
	"io"
	"sync"
	"time"
)

const (
	bufferSize = 64 << 10
	patience   = 200 * time.Millisecond // how long a row may stay in the buffer
)

// A stream buffers what is written to w, but not for longer than the patience of
// somebody who waits for the next row.
type stream struct {
	buffer *bufio.Writer
	held   func() error // has the encoder write what it holds back

	mu     sync.Mutex
	timer  *time.Timer
	armed  bool
	closed bool
	late   error // of a flush that the timer made
}

func newStream(w io.Writer) *stream {
	return &stream{buffer: bufio.NewWriterSize(&checked{w}, bufferSize)}
}

// checked makes the errors of w WriteErrors.
type checked struct{ w io.Writer }

func (c *checked) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	if err != nil {
		err = &WriteError{err}
	}
	return n, err
}

// begin locks the stream, for a row to be written.
func (s *stream) begin() error {
	s.mu.Lock()
	if !s.armed {
		s.armed = true
		if s.timer == nil {
			s.timer = time.AfterFunc(patience, s.tick)
		} else {
			s.timer.Reset(patience)
		}
	}
	return s.late
}

// tick flushes what was written so long ago.
func (s *stream) tick() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.armed = false
	if s.closed {
		return
	}
	s.late = s.flush()
}

func (s *stream) flush() error {
	if err := s.held(); err != nil {
		return err
	}
	return s.buffer.Flush()
}

// end flushes, after last has written the end of the format.
func (s *stream) end(last func() error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.late != nil {
		return s.late
	}
	if last != nil {
		if err := last(); err != nil {
			return err
		}
	}
	return s.flush()
}

// close lets go of the timer.
func (s *stream) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	if s.timer != nil {
		s.timer.Stop()
	}
}
