package main

import (
	"encoding/binary"
	"io"
	"log"
	"net"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kbin"
	"github.com/twmb/franz-go/pkg/kmsg"
)

const (
	frameBytesMax = 128 << 20
	pendingMax    = 10_000
)

// A request on its way, and what is to happen to its answer.
type exchange struct {
	request  kmsg.Request
	key      int16
	version  int16
	sequence int32
	entry    *entry      // of the journal
	finding  *finding    // of a commit that is checked
	answer   chan []byte // nil: the answer is not sent in its turn
	late     bool        // the answer is sent when it comes
}

// A connection of a client to a broker. Answers keep the order of the requests, except those that a rule holds.
type connection struct {
	all    *cluster
	at     *broker
	client net.Conn
	inner  net.Conn

	pending chan *exchange
	done    chan struct{}
	once    sync.Once

	forwardMutex sync.Mutex // order of the requests that kfake has
	forwarded    chan *exchange
	writeMutex   sync.Mutex
}

func (all *cluster) serve(at *broker) {
	for {
		client, err := at.public.Accept()
		if err != nil {
			return
		}
		inner, err := at.connect()
		if err != nil {
			client.Close()
			return
		}
		made := &connection{
			all: all, at: at, client: client, inner: inner,
			pending: make(chan *exchange, pendingMax), forwarded: make(chan *exchange, pendingMax),
			done: make(chan struct{}),
		}
		go made.readRequests()
		go made.readAnswers()
		go made.writeAnswers()
	}
}

func (c *connection) close() {
	c.once.Do(func() {
		close(c.done)
		c.client.Close()
		c.inner.Close()
	})
}

func readFrame(from io.Reader) ([]byte, error) {
	var size [4]byte
	if _, err := io.ReadFull(from, size[:]); err != nil {
		return nil, err
	}
	length := binary.BigEndian.Uint32(size[:])
	if length > frameBytesMax {
		return nil, io.ErrShortBuffer
	}
	frame := make([]byte, length)
	_, err := io.ReadFull(from, frame)
	return frame, err
}

func writeFrame(to io.Writer, frame []byte) error {
	sized := binary.BigEndian.AppendUint32(make([]byte, 0, len(frame)+4), uint32(len(frame)))
	_, err := to.Write(append(sized, frame...))
	return err
}

func parseRequest(frame []byte) (*exchange, bool) {
	reader := kbin.Reader{Src: frame}
	made := &exchange{key: reader.Int16(), version: reader.Int16(), sequence: reader.Int32()}
	reader.NullableString()
	made.request = kmsg.RequestForKey(made.key)
	if made.request == nil || reader.Complete() != nil && len(reader.Src) == 0 {
		return nil, false
	}
	made.request.SetVersion(made.version)
	if made.request.IsFlexible() {
		kmsg.SkipTags(&reader)
	}
	return made, made.request.ReadFrom(reader.Src) == nil
}

func (c *connection) readRequests() {
	defer c.close()
	for {
		frame, err := readFrame(c.client)
		if err != nil {
			return
		}
		ex, understood := parseRequest(frame)
		if !understood {
			log.Printf("broker %d: a request that cannot be parsed", c.at.node)
			return
		}
		if !c.request(ex, frame) {
			return
		}
	}
}

// Returns false when the connection is to be closed.
func (c *connection) request(ex *exchange, frame []byte) bool {
	seen := c.all.subjectOf(c.at.node, ex.request)
	chosen := c.all.rules.choose(seen, beforeRequest)
	ex.entry = c.all.journal.add(seen, chosen)
	ex.answer = make(chan []byte, 1)
	if chosen == nil {
		return c.forward(ex, frame)
	}
	switch chosen.Do {
	case doRefuse:
		c.all.journal.note(ex.entry, chosen.Code)
		frame := encodeAnswer(ex, refusal(ex.request, chosen.Code))
		time.AfterFunc(time.Duration(chosen.MS)*time.Millisecond, func() { ex.answer <- frame })
		return c.queue(ex)
	case doHold:
		ex.answer = nil
		if chosen.MS == 0 {
			return true
		}
		ex.late = true
		time.AfterFunc(time.Duration(chosen.MS)*time.Millisecond, func() { c.forward(ex, frame) })
		return true
	case doLose:
		ex.answer = nil
		return c.forward(ex, frame)
	default: // doDrop
		return false
	}
}

func (c *connection) queue(ex *exchange) bool {
	select {
	case c.pending <- ex:
		return true
	case <-c.done:
		return false
	}
}

func (c *connection) forward(ex *exchange, frame []byte) bool {
	if commit, is := ex.request.(*kmsg.OffsetCommitRequest); is {
		ex.finding = c.all.check.examine(commit)
	}
	if ex.answer != nil && !c.queue(ex) {
		return false
	}
	c.forwardMutex.Lock()
	defer c.forwardMutex.Unlock()
	select {
	case c.forwarded <- ex:
		return writeFrame(c.inner, frame) == nil
	case <-c.done:
		return false
	}
}

func (c *connection) readAnswers() {
	defer c.close()
	for {
		frame, err := readFrame(c.inner)
		if err != nil {
			return
		}
		ex := <-c.forwarded // what is answered was forwarded before
		frame = c.answered(ex, frame)
		switch {
		case frame == nil:
			return
		case ex.answer != nil:
			ex.answer <- frame
		case ex.late:
			if c.write(frame) != nil {
				return
			}
		}
	}
}

// The answer as the client gets it; nil when the connection is to be closed.
func (c *connection) answered(ex *exchange, frame []byte) []byte {
	answer := decodeAnswer(ex, frame)
	if answer == nil {
		log.Printf("broker %d: an answer of kind %d that cannot be parsed", c.at.node, ex.key)
		return frame
	}
	c.all.journal.note(ex.entry, firstCode(answer))
	if commit, is := answer.(*kmsg.OffsetCommitResponse); is {
		c.all.check.committed(ex.finding, commit)
	}
	if ex.answer == nil && !ex.late {
		return frame
	}
	seen := c.all.subjectOfAnswer(c.at.node, ex.request, answer)
	chosen := c.all.rules.choose(seen, beforeAnswer)
	if chosen == nil {
		return frame
	}
	c.all.journal.did(ex.entry, chosen)
	if chosen.Do == doCut {
		return nil
	}
	c.all.alter(answer, chosen)
	return encodeAnswer(ex, answer)
}

func (c *connection) write(frame []byte) error {
	c.writeMutex.Lock()
	defer c.writeMutex.Unlock()
	return writeFrame(c.client, frame)
}

func (c *connection) writeAnswers() {
	defer c.close()
	for {
		select {
		case ex := <-c.pending:
			select {
			case frame := <-ex.answer:
				if c.write(frame) != nil {
					return
				}
			case <-c.done:
				return
			}
		case <-c.done:
			return
		}
	}
}

func flexibleHeader(ex *exchange, answer kmsg.Response) bool {
	return answer.IsFlexible() && ex.key != int16(kmsg.ApiVersions)
}

func encodeAnswer(ex *exchange, answer kmsg.Response) []byte {
	frame := binary.BigEndian.AppendUint32(nil, uint32(ex.sequence))
	if flexibleHeader(ex, answer) {
		frame = append(frame, 0)
	}
	return answer.AppendTo(frame)
}

func decodeAnswer(ex *exchange, frame []byte) kmsg.Response {
	answer := ex.request.ResponseKind()
	reader := kbin.Reader{Src: frame}
	reader.Int32()
	if flexibleHeader(ex, answer) {
		kmsg.SkipTags(&reader)
	}
	if answer.ReadFrom(reader.Src) != nil {
		return nil
	}
	return answer
}
