"""Vectors of words from their numbers and their characters."""

import keras
from keras import ops

from reskeras.layers.composite import Composite, check_counts


@keras.saving.register_keras_serializable(package="reskeras")
class SpelledEmbedding(Composite):
    """[w, c]: a trained vector for each word, joined with one that a convolution makes of the word's characters.

    c_j is the largest of what filter j gives along the word (Santos and Zadrozny 2014, "Learning character-level
    representations for part-of-speech tagging", equation 2; Ma and Hovy 2016, 1603.01354, section 2.1). Padding behind
    a word's characters has a trained vector like any of them, so that filters find where a word ends.

    Args:
        vocabulary: how many numbers of words there are, from 0, which is padding that the layers after this leave out.
        alphabet: how many numbers of characters there are, from 0, which stands behind a word's own.
        width: size of each word's vector, c included.
        filters: size of c.
        character_width: size of each character's vector.
        kernel: how many characters a filter sees at once.
        embeddings_initializer: how the words' vectors start.
        character_initializer: how the characters' start; None for uniform up to the root of 3 / character_width (Ma and
            Hovy 2016, section 3.1).

    Input shape: (batch, time, 1 + characters), whole numbers: of each word its own, then those of its characters.
    Output shape: (batch, time, width).

    Raises:
        ValueError: where the filters leave no part of the vector for the word's number.

    Example:
        >>> embedding = SpelledEmbedding(vocabulary=1000, alphabet=90, width=128, filters=32)
        >>> embedding(keras.Input((None, 17), dtype="int32")).shape
        (None, None, 128)
    """

    axes = keras.layers.InputSpec(ndim=3)

    def __init__(
        self,
        vocabulary,
        alphabet,
        width,
        filters,
        character_width=30,
        kernel=3,
        embeddings_initializer="uniform",
        character_initializer=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        check_counts(width=width, filters=filters, character_width=character_width, kernel=kernel)
        if filters >= width:
            raise ValueError(f"filters must be less than width. Received: filters={filters} and width={width}")
        self.vocabulary = vocabulary
        self.alphabet = alphabet
        self.width = width
        self.filters = filters
        self.character_width = character_width
        self.kernel = kernel
        self.embeddings_initializer = keras.initializers.get(embeddings_initializer)
        most = (3 / character_width) ** 0.5
        self.character_initializer = keras.initializers.get(
            character_initializer or keras.initializers.RandomUniform(-most, most)
        )
        # Numbers must not be rounded to the precision of a mixed policy.
        self.autocast = False

    def build(self, input_shape):
        batch, time, size = input_shape
        table = keras.layers.Embedding
        starts = {"embeddings_initializer": self.embeddings_initializer}
        self.words = self.part(
            table, "words", input_dim=self.vocabulary, output_dim=self.width - self.filters, **starts
        )
        starts = {"embeddings_initializer": self.character_initializer}
        self.characters = self.part(
            table, "characters", input_dim=self.alphabet, output_dim=self.character_width, **starts
        )
        # A convolution along the word, each word a row of an image.
        self.convolution = self.part(
            keras.layers.Conv2D,
            "convolution",
            filters=self.filters,
            kernel_size=(1, self.kernel),
            padding="same",
            data_format="channels_last",
        )
        self.joined = self.part(keras.layers.Concatenate, "joined")
        self.padding = self.part(keras.layers.Masking, "padding")
        self.words.build((batch, time))
        self.characters.build((batch, time, size - 1))
        self.convolution.build((batch, time, size - 1, self.character_width))
        self.joined.build([(batch, time, self.width - self.filters), (batch, time, self.filters)])
        self.built = True

    def call(self, inputs):
        words = inputs[:, :, 0]
        spelled = ops.max(self.convolution(self.characters(inputs[:, :, 1:])), axis=2)
        vectors = self.joined([self.words(words), spelled])
        # As zeros, by which Keras's own layer tells in a portable file what is masked.
        return self.padding(ops.where(ops.expand_dims(ops.not_equal(words, 0), -1), vectors, 0))

    def compute_mask(self, inputs, mask=None):
        return ops.not_equal(inputs[:, :, 0], 0)

    def compute_output_shape(self, input_shape):
        return (*input_shape[:2], self.width)
