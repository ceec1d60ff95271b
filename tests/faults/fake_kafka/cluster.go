package main

import (
	"context"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

const requestTimeout = 5 * time.Second

// A broker's listener as kfake sees it: the address is the one that clients connect to, the connections are the inner
// ends of those that the proxy relays.
type broker struct {
	node   int32
	public net.Listener
	inner  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

func (b *broker) Accept() (net.Conn, error) {
	select {
	case conn := <-b.inner:
		return conn, nil
	case <-b.closed:
		return nil, net.ErrClosed
	}
}

func (b *broker) Addr() net.Addr { return b.public.Addr() }

func (b *broker) Close() error {
	b.once.Do(func() { close(b.closed) })
	return b.public.Close()
}

// A new connection to kfake, past the proxy and its rules.
func (b *broker) connect() (net.Conn, error) {
	outer, inner := net.Pipe()
	select {
	case b.inner <- inner:
		return outer, nil
	case <-b.closed:
		return nil, net.ErrClosed
	}
}

type cluster struct {
	fake    *kfake.Cluster
	brokers []*broker
	direct  *kgo.Client // past the rules
	rules   rules
	journal journal
	check   check

	mutex  sync.Mutex
	topics map[[16]byte]string
}

func newCluster(brokers int, options []kfake.Opt) (*cluster, error) {
	all := &cluster{topics: map[[16]byte]string{}}
	all.journal.begun = time.Now()
	listen := func(network, address string) (net.Listener, error) {
		public, err := net.Listen(network, address)
		if err != nil {
			return nil, err
		}
		made := &broker{
			node:   int32(len(all.brokers)),
			public: public,
			inner:  make(chan net.Conn),
			closed: make(chan struct{}),
		}
		all.brokers = append(all.brokers, made)
		return made, nil
	}
	var err error
	options = append(options, kfake.NumBrokers(brokers), kfake.ListenFn(listen))
	if all.fake, err = kfake.NewCluster(options...); err != nil {
		return nil, err
	}
	if all.direct, err = all.client(); err != nil {
		return nil, err
	}
	all.check.of = all
	for _, each := range all.brokers {
		go all.serve(each)
	}
	return all, nil
}

func (all *cluster) bootstrap() string {
	addresses := make([]string, 0, len(all.brokers))
	for _, each := range all.brokers {
		addresses = append(addresses, each.Addr().String())
	}
	return strings.Join(addresses, ",")
}

// A client that no rule touches and that no journal shows.
func (all *cluster) client(options ...kgo.Opt) (*kgo.Client, error) {
	dial := func(_ context.Context, _, address string) (net.Conn, error) {
		for _, each := range all.brokers {
			if each.Addr().String() == address {
				return each.connect()
			}
		}
		return nil, &net.AddrError{Err: "no broker", Addr: address}
	}
	return kgo.NewClient(append(options,
		kgo.SeedBrokers(strings.Split(all.bootstrap(), ",")...),
		kgo.Dialer(dial),
		kgo.MetadataMinAge(50*time.Millisecond),
		kgo.MetadataMaxAge(200*time.Millisecond),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerBatchCompression(kgo.NoCompression()),
	)...)
}

// Topics have ids in newer versions of the requests.
func (all *cluster) topicName(name string, id [16]byte) string {
	if name != "" {
		return name
	}
	all.mutex.Lock()
	defer all.mutex.Unlock()
	if known, found := all.topics[id]; found {
		return known
	}
	info := all.fake.TopicIDInfo(id)
	if info == nil {
		return ""
	}
	all.topics[id] = info.Topic
	return info.Topic
}

// Moves the group's coordinator to another broker; returns the new one.
func (all *cluster) moveCoordinator(group string) int32 {
	before := all.fake.CoordinatorFor(group)
	if len(all.brokers) == 1 {
		return before
	}
	for {
		all.fake.RehashCoordinators()
		if now := all.fake.CoordinatorFor(group); now != before {
			return now
		}
	}
}

// Moves the partition's leader to `node`, or to the next broker when it is negative; returns the new one.
func (all *cluster) moveLeader(topic string, partition, node int32) (int32, error) {
	if node < 0 {
		node = (all.fake.LeaderFor(topic, partition) + 1) % int32(len(all.brokers))
	}
	return node, all.fake.MoveTopicPartition(topic, partition, node)
}

func (all *cluster) addPartitions(topic string, count int32) error {
	request := kmsg.NewPtrCreatePartitionsRequest()
	wanted := kmsg.NewCreatePartitionsRequestTopic()
	wanted.Topic, wanted.Count = topic, count
	request.Topics = append(request.Topics, wanted)
	ctx, cancel := context.WithTimeout(context.Background(), requestTimeout)
	defer cancel()
	answer, err := request.RequestWith(ctx, all.admin())
	if err != nil {
		return err
	}
	if err := codeError(answer.Topics[0].ErrorCode, topic+" with "+strconv.Itoa(int(count))+" partitions"); err != nil {
		return err
	}
	return all.reconnect() // the producer knows its partitions from when it first used the topic
}

func (all *cluster) reconnect() error {
	fresh, err := all.client()
	if err != nil {
		return err
	}
	all.mutex.Lock()
	old := all.direct
	all.direct = fresh
	all.mutex.Unlock()
	old.Close()
	return nil
}

func (all *cluster) admin() *kgo.Client {
	all.mutex.Lock()
	defer all.mutex.Unlock()
	return all.direct
}

func (all *cluster) produce(records []*kgo.Record) error {
	ctx, cancel := context.WithTimeout(context.Background(), requestTimeout)
	defer cancel()
	return all.admin().ProduceSync(ctx, records...).FirstErr()
}
