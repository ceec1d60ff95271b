package main

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// What a rule does.
const (
	doRefuse  = "refuse"  // no effect; the answer is the code, after ms. Later answers of the connection wait for it
	doHold    = "hold"    // no effect and no answer; with ms: both after that time. Later requests go on
	doLose    = "lose"    // the effect, and no answer
	doDrop    = "drop"    // the connection is closed before the request has an effect
	doCut     = "cut"     // the request has its effect, and then the connection is closed instead of an answer
	doCorrupt = "corrupt" // one byte of the records in the answer to a Fetch is another
	doAnswer  = "answer"  // the request has its effect; the answer is the code
)

type moment int

const (
	beforeRequest moment = iota
	beforeAnswer
)

type rule struct {
	ID        int     `json:"id"`
	APIs      []int16 `json:"apis"`      // keys of requests; empty: all
	Broker    *int32  `json:"broker"`    // nil: all
	Topic     string  `json:"topic"`     // empty: all
	Partition *int32  `json:"partition"` // nil: all
	Skip      int     `json:"skip"`      // so many that match pass first
	Count     int     `json:"count"`     // applies so often; 0: no limit
	AfterMS   int     `json:"after_ms"`  // from the moment the rule is given
	ForMS     int     `json:"for_ms"`    // from the first one it applies to; 0: no end
	Do        string  `json:"do"`
	Code      int16   `json:"code"`
	MS        int     `json:"ms"`
	At        int     `json:"at"` // of a corrupted byte, in the records of the partition

	Matched int `json:"matched"`
	Applied int `json:"applied"`

	given time.Time
	first time.Time
}

func (r *rule) moment() moment {
	if r.Do == doCorrupt || r.Do == doAnswer || r.Do == doCut {
		return beforeAnswer
	}
	return beforeRequest
}

func (r *rule) selectsPlace(at place) bool {
	return (r.Topic == "" || r.Topic == at.topic) && (r.Partition == nil || *r.Partition == at.partition) &&
		(!r.altersRecords() || at.bytes > r.At)
}

// Of the answer to a Fetch only those partitions are altered that have records in it.
func (r *rule) altersRecords() bool {
	return r.Do == doCorrupt || r.Do == doAnswer && slices.Contains(r.APIs, int16(kmsg.Fetch))
}

func (r *rule) selects(seen subject) bool {
	if len(r.APIs) > 0 && !slices.Contains(r.APIs, seen.api) || r.Broker != nil && *r.Broker != seen.broker {
		return false
	}
	if r.Topic == "" && r.Partition == nil && !r.altersRecords() {
		return true
	}
	return slices.ContainsFunc(seen.places, r.selectsPlace)
}

// Whether it applies to one more that it selects.
func (r *rule) take(now time.Time) bool {
	if now.Before(r.given.Add(time.Duration(r.AfterMS) * time.Millisecond)) {
		return false
	}
	r.Matched++
	if r.Matched <= r.Skip || r.Count > 0 && r.Applied >= r.Count {
		return false
	}
	if r.first.IsZero() {
		r.first = now
	}
	if r.ForMS > 0 && now.Sub(r.first) >= time.Duration(r.ForMS)*time.Millisecond {
		return false
	}
	r.Applied++
	return true
}

type rules struct {
	mutex sync.Mutex
	all   []*rule
	last  int
}

// The first rule that applies; nil when none does.
func (r *rules) choose(seen subject, when moment) *rule {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	now := time.Now()
	for _, each := range r.all {
		if each.moment() == when && each.selects(seen) && each.take(now) {
			copied := *each
			return &copied
		}
	}
	return nil
}

func (r *rules) add(given rule) (int, error) {
	known := []string{doRefuse, doHold, doLose, doDrop, doCut, doCorrupt, doAnswer}
	if !slices.Contains(known, given.Do) {
		return 0, fmt.Errorf("a rule does one of %v, not %q", known, given.Do)
	}
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.last++
	given.ID, given.Matched, given.Applied, given.given = r.last, 0, 0, time.Now()
	r.all = append(r.all, &given)
	return given.ID, nil
}

// Of all rules when id is 0.
func (r *rules) remove(id int) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.all = slices.DeleteFunc(r.all, func(each *rule) bool { return id == 0 || each.ID == id })
}

func (r *rules) list() []rule {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	out := make([]rule, 0, len(r.all))
	for _, each := range r.all {
		out = append(out, *each)
	}
	return out
}

const journalMax = 200_000

type entry struct {
	MS     int64  `json:"ms"` // since the start
	API    int16  `json:"api"`
	Broker int32  `json:"broker"`
	Topic  string `json:"topic,omitempty"` // of the first partition
	Part   int32  `json:"partition"`
	Did    string `json:"did,omitempty"` // by a rule
	Rule   int    `json:"rule,omitempty"`
	Code   int16  `json:"code"` // of the answer
}

// What was asked, in its order; the first journalMax requests.
type journal struct {
	mutex sync.Mutex
	begun time.Time
	all   []*entry
	count map[int16]int
}

func (j *journal) add(seen subject, chosen *rule) *entry {
	made := &entry{MS: time.Since(j.begun).Milliseconds(), API: seen.api, Broker: seen.broker, Part: -1}
	if len(seen.places) > 0 {
		made.Topic, made.Part = seen.places[0].topic, seen.places[0].partition
	}
	if chosen != nil {
		made.Did, made.Rule = chosen.Do, chosen.ID
	}
	j.mutex.Lock()
	defer j.mutex.Unlock()
	if j.count == nil {
		j.count = map[int16]int{}
	}
	j.count[seen.api]++
	if len(j.all) < journalMax {
		j.all = append(j.all, made)
	}
	return made
}

func (j *journal) note(of *entry, code int16) {
	j.mutex.Lock()
	defer j.mutex.Unlock()
	of.Code = code
}

func (j *journal) did(of *entry, chosen *rule) {
	j.mutex.Lock()
	defer j.mutex.Unlock()
	of.Did, of.Rule = chosen.Do, chosen.ID
	if chosen.Do == doAnswer {
		of.Code = chosen.Code
	}
}

// Those of one kind of request; of all when it is negative.
func (j *journal) list(api int16) []entry {
	j.mutex.Lock()
	defer j.mutex.Unlock()
	out := []entry{}
	for _, each := range j.all {
		if api < 0 || each.API == api {
			out = append(out, *each)
		}
	}
	return out
}

func (j *journal) counts() map[int16]int {
	j.mutex.Lock()
	defer j.mutex.Unlock()
	out := map[int16]int{}
	for api, count := range j.count {
		out[api] = count
	}
	return out
}
