// SPDX-License-Identifier: MIT

package main

import (
	"errors"
	"log"
	"math/rand"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/gomodule/redigo/redis"
)

// The names and the form of what lies there are toq's too (handlers/listings/cache/listings_entry.h): the peer is
// one more process that shares the cache.
const (
	channel    = "toq:listings"
	generation = "toq:listings:generation"
	prefix     = "toq:listing::"
)

// script is toq's, handlers/listings/cache/listings_entry.c: keep what is newer, and for a write tell the others.
var script = redis.NewScript(-1, `local old = redis.pcall('GET', KEYS[1])
local version = type(old) == 'string' and tonumber(string.match(old, '^(%d+) ')) or -1
if version <= tonumber(ARGV[1]) then
  redis.call('SET', KEYS[1], ARGV[1] .. ' ' .. ARGV[2], 'PX', ARGV[3])
end
if not KEYS[2] then
  return 0
end
redis.call('SET', KEYS[2], ARGV[6], 'NX')
local generation = redis.call('INCR', KEYS[2])
redis.call('PUBLISH', ARGV[4], ARGV[5] .. ' ' .. ARGV[1] .. ' ' .. generation)
return generation
`)

// cache keeps listings in Redis, each behind its version; a TTL of 0 keeps none.
type cache struct {
	pool  *redis.Pool
	ttl   time.Duration
	mutex sync.Mutex
	seen  map[string]uint64 // versions that are known to exist
	loads map[string]*load
}

// load is one load from MySQL for all that ask meanwhile.
type load struct {
	done    chan struct{}
	version uint64
	body    []byte
	err     error
}

func openCache(dial func() (redis.Conn, error), connections int, ttl time.Duration) *cache {
	c := &cache{ttl: ttl, seen: map[string]uint64{}, loads: map[string]*load{}}
	c.pool = &redis.Pool{Dial: dial, MaxIdle: connections, MaxActive: connections, Wait: true}
	if ttl > 0 {
		go c.listen()
	}
	return c
}

// listen hears which versions there are, and ends the program when it cannot.
func (c *cache) listen() {
	conn := redis.PubSubConn{Conn: c.pool.Get()}
	if err := conn.Subscribe(channel); err != nil {
		log.Fatal(err)
	}
	for {
		switch news := conn.Receive().(type) {
		case redis.Message:
			words := strings.SplitN(string(news.Data), " ", 3)
			if version, err := strconv.ParseUint(words[1], 10, 64); err == nil {
				c.note(words[0], version)
			}
		case error:
			log.Fatal(news)
		}
	}
}

func (c *cache) note(id string, version uint64) {
	c.mutex.Lock()
	if c.seen[id] < version {
		c.seen[id] = version
	}
	c.mutex.Unlock()
}

func (c *cache) isCurrent(id string, version uint64) bool {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	return version >= c.seen[id]
}

// find returns a listing's JSON; ok is false when Redis does not have it.
func (c *cache) find(id string) (version uint64, body []byte, ok bool) {
	if c.ttl == 0 {
		return 0, nil, false
	}
	conn := c.pool.Get()
	entry, err := redis.Bytes(conn.Do("GET", prefix+id))
	conn.Close()
	if err != nil {
		return 0, nil, false
	}
	version, body, err = parseEntry(entry)
	return version, body, err == nil && c.isCurrent(id, version)
}

func parseEntry(entry []byte) (uint64, []byte, error) {
	var version uint64
	for i, char := range entry {
		switch {
		case char == ' ' && i > 0 && i+1 < len(entry) && entry[i+1] == '{':
			return version, entry[i+1:], nil
		case char < '0' || char > '9':
			return 0, nil, errors.New("no entry")
		}
		version = version*10 + uint64(char-'0')
	}
	return 0, nil, errors.New("no entry")
}

// keep puts what was read or written; a write is told to the others.
func (c *cache) keep(id string, version uint64, body []byte, isWrite bool) error {
	if c.ttl == 0 {
		return nil
	}
	ttl := c.ttl - time.Duration(rand.Int63n(int64(c.ttl/10)+1))
	arguments := []interface{}{1, prefix + id, version, body, ttl.Milliseconds()}
	if isWrite {
		c.note(id, version)
		arguments = []interface{}{2, prefix + id, generation, version, body, ttl.Milliseconds(),
			channel, id, time.Now().Unix()}
	}
	conn := c.pool.Get()
	defer conn.Close()
	_, err := script.Do(conn, arguments...)
	return err
}

// once runs read for an id or a query unless another does already, and hands its result to all.
func (c *cache) once(key string, read func() (uint64, []byte, error)) (uint64, []byte, error) {
	c.mutex.Lock()
	one, isLoading := c.loads[key]
	if !isLoading {
		one = &load{done: make(chan struct{})}
		c.loads[key] = one
	}
	c.mutex.Unlock()
	if isLoading {
		<-one.done
		return one.version, one.body, one.err
	}
	one.version, one.body, one.err = read()
	c.mutex.Lock()
	delete(c.loads, key)
	c.mutex.Unlock()
	close(one.done)
	return one.version, one.body, one.err
}
