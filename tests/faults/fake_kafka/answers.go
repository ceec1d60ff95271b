package main

import (
	"fmt"
	"reflect"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kmsg"
)

func codeError(code int16, of string) error {
	if code == 0 {
		return nil
	}
	return fmt.Errorf("%s: %w", of, kerr.ErrorForCode(code))
}

// What rules select by: of a request, or of the part of an answer that a rule may alter.
type subject struct {
	api    int16
	broker int32
	places []place
}

type place struct {
	topic     string
	partition int32
	bytes     int // of the records in an answer to a Fetch
}

func (all *cluster) subjectOf(node int32, request kmsg.Request) subject {
	seen := subject{api: request.Key(), broker: node}
	add := func(topic string, partition int32) {
		seen.places = append(seen.places, place{topic: topic, partition: partition})
	}
	switch of := request.(type) {
	case *kmsg.ProduceRequest:
		for _, topic := range of.Topics {
			for _, part := range topic.Partitions {
				add(all.topicName(topic.Topic, topic.TopicID), part.Partition)
			}
		}
	case *kmsg.FetchRequest:
		for _, topic := range of.Topics {
			for _, part := range topic.Partitions {
				add(all.topicName(topic.Topic, topic.TopicID), part.Partition)
			}
		}
	case *kmsg.OffsetCommitRequest:
		for _, topic := range of.Topics {
			for _, part := range topic.Partitions {
				add(all.topicName(topic.Topic, topic.TopicID), part.Partition)
			}
		}
	case *kmsg.ListOffsetsRequest:
		for _, topic := range of.Topics {
			for _, part := range topic.Partitions {
				add(topic.Topic, part.Partition)
			}
		}
	}
	return seen
}

func (all *cluster) subjectOfAnswer(node int32, request kmsg.Request, answer kmsg.Response) subject {
	fetched, is := answer.(*kmsg.FetchResponse)
	if !is {
		return all.subjectOf(node, request)
	}
	seen := subject{api: request.Key(), broker: node}
	for _, topic := range fetched.Topics {
		for _, part := range topic.Partitions {
			seen.places = append(seen.places,
				place{all.topicName(topic.Topic, topic.TopicID), part.Partition, len(part.RecordBatches)})
		}
	}
	return seen
}

// An answer that refuses the whole request.
func refusal(request kmsg.Request, code int16) kmsg.Response {
	answer := request.ResponseKind()
	switch of := request.(type) {
	case *kmsg.ProduceRequest:
		to := answer.(*kmsg.ProduceResponse)
		for _, topic := range of.Topics {
			refused := kmsg.NewProduceResponseTopic()
			refused.Topic, refused.TopicID = topic.Topic, topic.TopicID
			for _, part := range topic.Partitions {
				row := kmsg.NewProduceResponseTopicPartition()
				row.Partition, row.ErrorCode, row.BaseOffset = part.Partition, code, -1
				refused.Partitions = append(refused.Partitions, row)
			}
			to.Topics = append(to.Topics, refused)
		}
	case *kmsg.FetchRequest:
		to := answer.(*kmsg.FetchResponse)
		for _, topic := range of.Topics {
			refused := kmsg.NewFetchResponseTopic()
			refused.Topic, refused.TopicID = topic.Topic, topic.TopicID
			for _, part := range topic.Partitions {
				row := kmsg.NewFetchResponseTopicPartition()
				row.Partition, row.ErrorCode, row.RecordBatches = part.Partition, code, []byte{}
				row.HighWatermark, row.LastStableOffset = -1, -1
				refused.Partitions = append(refused.Partitions, row)
			}
			to.Topics = append(to.Topics, refused)
		}
	case *kmsg.OffsetCommitRequest:
		to := answer.(*kmsg.OffsetCommitResponse)
		for _, topic := range of.Topics {
			refused := kmsg.NewOffsetCommitResponseTopic()
			refused.Topic, refused.TopicID = topic.Topic, topic.TopicID
			for _, part := range topic.Partitions {
				row := kmsg.NewOffsetCommitResponseTopicPartition()
				row.Partition, row.ErrorCode = part.Partition, code
				refused.Partitions = append(refused.Partitions, row)
			}
			to.Topics = append(to.Topics, refused)
		}
	case *kmsg.ListOffsetsRequest:
		to := answer.(*kmsg.ListOffsetsResponse)
		for _, topic := range of.Topics {
			refused := kmsg.NewListOffsetsResponseTopic()
			refused.Topic = topic.Topic
			for _, part := range topic.Partitions {
				row := kmsg.NewListOffsetsResponseTopicPartition()
				row.Partition, row.ErrorCode = part.Partition, code
				refused.Partitions = append(refused.Partitions, row)
			}
			to.Topics = append(to.Topics, refused)
		}
	case *kmsg.OffsetFetchRequest:
		to := answer.(*kmsg.OffsetFetchResponse)
		to.ErrorCode = code
		for _, group := range of.Groups {
			refused := kmsg.NewOffsetFetchResponseGroup()
			refused.Group, refused.ErrorCode = group.Group, code
			to.Groups = append(to.Groups, refused)
		}
	case *kmsg.FindCoordinatorRequest:
		to := answer.(*kmsg.FindCoordinatorResponse)
		to.ErrorCode, to.NodeID = code, -1
		for _, key := range of.CoordinatorKeys {
			refused := kmsg.NewFindCoordinatorResponseCoordinator()
			refused.Key, refused.ErrorCode, refused.NodeID = key, code, -1
			to.Coordinators = append(to.Coordinators, refused)
		}
	default:
		if field := errorCode(answer); field.IsValid() {
			field.SetInt(int64(code))
		}
	}
	return answer
}

func errorCode(answer kmsg.Response) reflect.Value {
	return reflect.ValueOf(answer).Elem().FieldByName("ErrorCode")
}

// For the journal: the first code that is not 0.
func firstCode(answer kmsg.Response) int16 {
	switch of := answer.(type) {
	case *kmsg.ProduceResponse:
		for _, topic := range of.Topics {
			for _, part := range topic.Partitions {
				if part.ErrorCode != 0 {
					return part.ErrorCode
				}
			}
		}
	case *kmsg.FetchResponse:
		for _, topic := range of.Topics {
			for _, part := range topic.Partitions {
				if part.ErrorCode != 0 {
					return part.ErrorCode
				}
			}
		}
	case *kmsg.OffsetCommitResponse:
		for _, topic := range of.Topics {
			for _, part := range topic.Partitions {
				if part.ErrorCode != 0 {
					return part.ErrorCode
				}
			}
		}
	}
	if field := errorCode(answer); field.IsValid() {
		return int16(field.Int())
	}
	return 0
}

// Alters the part of the answer that the rule selects, the first one: an error code instead of what was answered, or
// one bit of one byte of the records of a Fetch. In a Metadata every topic gets the error code.
func (all *cluster) alter(answer kmsg.Response, by *rule) {
	if described, is := answer.(*kmsg.MetadataResponse); is {
		for t := range described.Topics {
			described.Topics[t].ErrorCode, described.Topics[t].Partitions = by.Code, nil
		}
		return
	}
	fetched, is := answer.(*kmsg.FetchResponse)
	if !is {
		if field := errorCode(answer); field.IsValid() {
			field.SetInt(int64(by.Code))
		}
		return
	}
	for t := range fetched.Topics {
		topic := &fetched.Topics[t]
		for p := range topic.Partitions {
			part := &topic.Partitions[p]
			at := place{all.topicName(topic.Topic, topic.TopicID), part.Partition, len(part.RecordBatches)}
			if !by.selectsPlace(at) {
				continue
			}
			if by.Do == doCorrupt {
				part.RecordBatches[by.At] ^= 0x04
			} else {
				part.ErrorCode, part.RecordBatches = by.Code, []byte{}
			}
			return
		}
	}
}
