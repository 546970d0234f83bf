// The engine of Centrifugo with the settings that Centrifugo has when nothing is
// configured.  Topics under bench/kept have a history and can be recovered, as in a
// namespace of Centrifugo with history_size and force_recovery.  With REDIS in the
// environment, the broker and the presence manager are those for Redis; else they are
// in memory.
package main

import (
	"context"
	"log"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/centrifugal/centrifuge"
)

func kept(channel string) bool {
	return strings.HasPrefix(channel, "bench/kept")
}

func anybody(handler http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx := centrifuge.SetCredentials(context.WithoutCancel(r.Context()), &centrifuge.Credentials{})
		handler.ServeHTTP(w, r.WithContext(ctx))
	})
}

func shareOver(address string, node *centrifuge.Node) error {
	shard, err := centrifuge.NewRedisShard(node, centrifuge.RedisShardConfig{Address: address})
	if err != nil {
		return err
	}
	shards := []*centrifuge.RedisShard{shard}
	broker, err := centrifuge.NewRedisBroker(node, centrifuge.RedisBrokerConfig{Shards: shards})
	if err != nil {
		return err
	}
	node.SetBroker(broker)
	manager, err := centrifuge.NewRedisPresenceManager(
		node, centrifuge.RedisPresenceManagerConfig{Shards: shards})
	if err != nil {
		return err
	}
	node.SetPresenceManager(manager)
	return nil
}

func main() {
	node, err := centrifuge.New(centrifuge.Config{
		ClientQueueMaxSize: 4 << 20, ClientChannelLimit: 1000})
	if err != nil {
		log.Fatal(err)
	}
	if address := os.Getenv("REDIS"); address != "" {
		if err := shareOver(address, node); err != nil {
			log.Fatal(err)
		}
	}
	delay, err := time.ParseDuration(os.Getenv("WRITE_DELAY"))
	if err == nil {
		node.OnConnecting(func(context.Context, centrifuge.ConnectEvent) (centrifuge.ConnectReply, error) {
			return centrifuge.ConnectReply{WriteDelay: delay, MaxMessagesInFrame: -1}, nil
		})
	}
	node.OnConnect(func(client *centrifuge.Client) {
		client.OnSubscribe(func(e centrifuge.SubscribeEvent, answer centrifuge.SubscribeCallback) {
			options := centrifuge.SubscribeOptions{EnableRecovery: kept(e.Channel)}
			answer(centrifuge.SubscribeReply{Options: options}, nil)
		})
		client.OnPublish(func(e centrifuge.PublishEvent, answer centrifuge.PublishCallback) {
			reply := centrifuge.PublishReply{}
			if kept(e.Channel) {
				reply.Options = centrifuge.PublishOptions{HistorySize: 10000, HistoryTTL: time.Hour}
			}
			answer(reply, nil)
		})
	})
	if err := node.Run(); err != nil {
		log.Fatal(err)
	}
	http.Handle("/connection/websocket", anybody(
		centrifuge.NewWebsocketHandler(node, centrifuge.WebsocketConfig{})))
	address := "127.0.0.1:" + os.Args[1]
	if len(os.Args) > 3 {
		log.Fatal(http.ListenAndServeTLS(address, os.Args[3], os.Args[2], nil))
	}
	log.Fatal(http.ListenAndServe(address, nil))
}
