package main

import (
	"context"
	"log"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

const (
	catchUpTimeout = 10 * time.Second
	missingShown   = 20
)

// A commit that passed records without an output.
type violation struct {
	MS        int64   `json:"ms"`
	Partition int32   `json:"partition"`
	Committed int64   `json:"committed"`
	Missing   []int64 `json:"missing"` // offsets that this commit was the first to pass; the first missingShown
	Count     int     `json:"count"`
	Unread    bool    `json:"unread,omitempty"` // the logs could not be read in time: nothing is proved
}

// What was found when a commit arrived, for when it is answered.
type finding struct {
	offsets map[int32]int64
	wrong   map[int32]*violation
}

type partitionLog struct {
	next int64     // offset
	keys []*string // by offset: nothing is ever removed here; nil where no record is (a marker of a transaction)
}

// At every commit: does every record below the offset have its output? A record and its output have the same key.
type check struct {
	of *cluster

	mutex     sync.Mutex
	read      *sync.Cond // more was read
	client    *kgo.Client
	source    string
	outputs   []string
	logs      map[string]map[int32]*partitionLog
	seen      map[string]int  // outputs by key
	accepted  map[int32]int64 // next offset, by partition of the source
	backwards int
	commits   int
	wrong     []*violation
}

// Begins with what is in the topics now. To be called once.
func (c *check) start(source string, outputs []string) error {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	client, err := c.of.client(
		kgo.ConsumeTopics(append([]string{source}, outputs...)...),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.FetchMaxWait(100*time.Millisecond),
		kgo.KeepControlRecords(), // behind the last of them the log ends, too
	)
	if err != nil {
		return err
	}
	c.client, c.source, c.outputs = client, source, outputs
	c.read = sync.NewCond(&c.mutex)
	c.logs, c.seen = map[string]map[int32]*partitionLog{}, map[string]int{}
	c.accepted = map[int32]int64{}
	go c.follow()
	return nil
}

func (c *check) follow() {
	for {
		fetched := c.client.PollFetches(context.Background())
		if fetched.IsClientClosed() {
			return
		}
		fetched.EachError(func(topic string, partition int32, err error) {
			log.Printf("check: %s/%d: %v", topic, partition, err)
		})
		c.mutex.Lock()
		fetched.EachRecord(c.add)
		c.mutex.Unlock()
		c.read.Broadcast()
	}
}

func (c *check) add(record *kgo.Record) {
	at := c.log(record.Topic, record.Partition)
	if record.Offset < at.next { // read again: its leader has moved
		return
	}
	for at.next < record.Offset { // a hole
		at.keys = append(at.keys, nil)
		at.next++
	}
	at.next = record.Offset + 1
	if record.Attrs.IsControl() {
		at.keys = append(at.keys, nil)
		return
	}
	key := string(record.Key)
	at.keys = append(at.keys, &key)
	if record.Topic != c.source {
		c.seen[string(record.Key)]++
	}
}

func (c *check) log(topic string, partition int32) *partitionLog {
	if c.logs[topic] == nil {
		c.logs[topic] = map[int32]*partitionLog{}
	}
	if c.logs[topic][partition] == nil {
		c.logs[topic][partition] = &partitionLog{}
	}
	return c.logs[topic][partition]
}

// Waits, with the mutex held, until all that is in the topics now was read.
func (c *check) catchUp() bool {
	c.mutex.Unlock()
	ends := map[string]map[int32]int64{}
	for _, topic := range append([]string{c.source}, c.outputs...) {
		ends[topic] = map[int32]int64{}
		for _, part := range c.of.fake.PartitionInfos(topic) {
			ends[topic][part.Partition] = part.HighWatermark
		}
	}
	c.mutex.Lock()
	late := time.Now().Add(catchUpTimeout)
	timer := time.AfterFunc(catchUpTimeout, c.read.Broadcast)
	defer timer.Stop()
	for {
		behind := false
		for topic, parts := range ends {
			for partition, end := range parts {
				behind = behind || c.log(topic, partition).next < end
			}
		}
		if !behind {
			return true
		}
		if time.Now().After(late) {
			return false
		}
		c.read.Wait()
	}
}

// Looks at the logs as they are when the commit arrives; nil when nothing of it is to be checked.
func (c *check) examine(commit *kmsg.OffsetCommitRequest) *finding {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if c.client == nil {
		return nil
	}
	found := &finding{offsets: map[int32]int64{}, wrong: map[int32]*violation{}}
	for _, topic := range commit.Topics {
		if c.of.topicName(topic.Topic, topic.TopicID) != c.source {
			continue
		}
		for _, part := range topic.Partitions {
			found.offsets[part.Partition] = part.Offset
		}
	}
	if len(found.offsets) == 0 {
		return nil
	}
	complete := c.catchUp()
	for partition, offset := range found.offsets {
		wrong := &violation{
			MS: time.Since(c.of.journal.begun).Milliseconds(), Partition: partition, Committed: offset, Unread: !complete,
		}
		at := c.log(c.source, partition)
		for from := c.accepted[partition]; from < offset; from++ {
			if from < int64(len(at.keys)) && (at.keys[from] == nil || c.seen[*at.keys[from]] > 0) {
				continue
			}
			if wrong.Count++; len(wrong.Missing) < missingShown {
				wrong.Missing = append(wrong.Missing, from)
			}
		}
		if wrong.Count > 0 || wrong.Unread {
			found.wrong[partition] = wrong
		}
	}
	return found
}

// The commit was answered: what it accepted counts.
func (c *check) committed(found *finding, answer *kmsg.OffsetCommitResponse) {
	if found == nil {
		return
	}
	c.mutex.Lock()
	defer c.mutex.Unlock()
	for _, topic := range answer.Topics {
		if c.of.topicName(topic.Topic, topic.TopicID) != c.source {
			continue
		}
		for _, part := range topic.Partitions {
			offset, asked := found.offsets[part.Partition]
			if !asked || part.ErrorCode != 0 {
				continue
			}
			c.commits++
			if offset < c.accepted[part.Partition] {
				c.backwards++
			}
			c.accepted[part.Partition] = offset
			if wrong := found.wrong[part.Partition]; wrong != nil {
				c.wrong = append(c.wrong, wrong)
			}
		}
	}
}

type state struct {
	Source     int             `json:"source"`     // records
	Outputs    int             `json:"outputs"`    // records, repeated ones included
	Missing    []string        `json:"missing"`    // keys without output
	Repeated   int             `json:"repeated"`   // outputs beyond the first of a key
	MadeUp     int             `json:"made_up"`    // keys of outputs that are not in the source
	Lag        int64           `json:"lag"`        // records of the source that are not committed
	Committed  map[int32]int64 `json:"committed"`  // next offset
	Commits    int             `json:"commits"`    // accepted, per partition
	Backwards  int             `json:"backwards"`  // commits below an earlier one
	Violations []*violation    `json:"violations"` // at commits
	Unread     bool            `json:"unread"`     // the logs could not be read in time
	ByTopic    map[string]int  `json:"by_topic"`   // records
}

func (c *check) state() state {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	out := state{Missing: []string{}, Committed: map[int32]int64{}, Violations: []*violation{}, ByTopic: map[string]int{}}
	if c.client == nil {
		return out
	}
	out.Unread = !c.catchUp()
	inputs := map[string]bool{}
	for partition, at := range c.logs[c.source] {
		for offset, key := range at.keys {
			if key == nil {
				continue
			}
			out.Source++
			if int64(offset) >= c.accepted[partition] {
				out.Lag++
			}
			inputs[*key] = true
			if c.seen[*key] == 0 {
				out.Missing = append(out.Missing, *key)
			}
		}
	}
	for key, count := range c.seen {
		out.Outputs += count
		out.Repeated += count - 1
		if !inputs[key] {
			out.MadeUp++
		}
	}
	for _, topic := range c.outputs {
		out.ByTopic[topic] = 0
	}
	for topic, parts := range c.logs {
		for _, at := range parts {
			for _, key := range at.keys {
				if key != nil {
					out.ByTopic[topic]++
				}
			}
		}
	}
	for partition, offset := range c.accepted {
		out.Committed[partition] = offset
	}
	out.Commits, out.Backwards = c.commits, c.backwards
	out.Violations = append(out.Violations, c.wrong...)
	return out
}
