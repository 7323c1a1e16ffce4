"""The reference recipe in TensorFlow 1's graph mode: python tensorflow_seed.py STEPS [EVERY]

Weights and biases from N(0, 1), RMSProp (rate 0.01, decay 0.9, epsilon 1e-10 in the root, accumulator from 1), batches
of 256 of the first 55,000 rows. Prints step and batch loss as CSV every EVERY steps, then one line of JSON.
"""

import os
import sys

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import tensorflow.compat.v1 as tf

import mnist

steps = int(sys.argv[1])
every = int(sys.argv[2]) if len(sys.argv) > 2 else steps + 1
tf.disable_eager_execution()
train, test = mnist.load()
train = train[:55_000]

x = tf.placeholder(tf.float32, [None, 784])
y = x
for inputs, outputs in [(784, 256), (256, 128), (128, 256), (256, 784)]:
    weights = tf.Variable(tf.random_normal([inputs, outputs]))
    bias = tf.Variable(tf.random_normal([outputs]))
    y = tf.nn.sigmoid(tf.matmul(y, weights) + bias)
loss = tf.reduce_mean(tf.square(y - x))
update = tf.train.RMSPropOptimizer(0.01).minimize(loss)

clock = mnist.Clock()
if every <= steps:
    print("step,batch_loss")
with tf.Session() as session:
    session.run(tf.global_variables_initializer())
    for step, batch in zip(range(1, steps + 1), mnist.batches(train, 256)):
        _, value = session.run([update, loss], {x: train[batch]})
        clock.step()
        if step % every == 0:
            print(f"{step},{value:.6f}", flush=True)
    clock.report(test_mse=float(session.run(loss, {x: test})))
