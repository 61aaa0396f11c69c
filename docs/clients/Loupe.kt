// A client of Loupe's HTTP API for Android: HttpURLConnection and org.json are part of it, so
// nothing is added. It waits for the network: call it from Dispatchers.IO. On a desktop's JVM add
// org.json:json to the class path, and try it from a terminal:
//
//   kotlinc Loupe.kt -cp json.jar -include-runtime -d loupe.jar
//   java -cp loupe.jar:json.jar LoupeKt http://localhost:8501 photo.jpg
//
//   val answer = withContext(Dispatchers.IO) { Loupe("https://loupe.example.org").identify(jpeg) }

import java.io.File
import java.io.IOException
import java.net.ConnectException
import java.net.HttpURLConnection
import java.net.SocketTimeoutException
import java.net.URL
import java.net.URLEncoder
import kotlin.random.Random
import kotlin.system.exitProcess
import org.json.JSONArray
import org.json.JSONException
import org.json.JSONObject

class Candidate(val label: String, val probability: Double)

/** What a model says of a photo. */
class Answer(said: JSONObject) {
    val photo: String = said.getString("photo")
    val model: String = said.getString("model")
    val version: String = said.getString("version")
    val engine: String = said.getString("engine")

    /** Empty: none of the things that the model knows. Several: it gives several labels a photo. */
    val answer: List<String> = when (val found = said.get("answer")) {
        is String -> listOf(found)
        is JSONArray -> texts(found)
        else -> emptyList()
    }
    val candidates: List<Candidate> = said.getJSONArray("candidates").let { all ->
        List(all.length()) {
            val one = all.getJSONObject(it)
            Candidate(one.getString("label"), one.getDouble("probability"))
        }
    }

    /** null: the model cannot tell what it does not know. */
    val known: Boolean? = if (said.isNull("known")) null else said.getBoolean("known")
    val novelty: Double? = if (said.isNull("novelty")) null else said.getDouble("novelty")
    val plausible: List<String>? =
        if (said.isNull("plausible")) null else texts(said.getJSONArray("plausible"))

    private fun texts(all: JSONArray) = List(all.length()) { all.getString(it) }
}

/** A refusal (RFC 9457): [code] is stable and for programs, [detail] for people. */
class Problem(val status: Int, val code: String, val detail: String) : IOException("$code: $detail")

/** [timeout]: milliseconds without a byte; [patience]: all waiting while the server is busy. */
class Loupe(server: String, private val timeout: Int = 60_000, private val patience: Int = 30_000) {
    private val api = server.trimEnd('/') + "/api/v1"

    /** What is on a photo: its JPEG, PNG, WebP, HEIC, AVIF, GIF, BMP or TIFF bytes, 20 MB at most. */
    fun identify(photo: ByteArray, model: String? = null, top: Int = 5): Answer {
        if (photo.size > 20 * 1_048_576) {
            throw Problem(413, "too-large", "This photo has more than 20 MB.")
        }
        val named = if (model == null) "" else "&model=" + URLEncoder.encode(model, "UTF-8")
        val said = send("/identify?top=$top$named", photo)
        return try {
            Answer(JSONObject(said))
        } catch (error: JSONException) {
            // A proxy's own page, with 200.
            throw Problem(0, "cut", "This is no answer of Loupe: ${error.message}.")
        }
    }

    private fun send(path: String, body: ByteArray): String {
        val until = System.nanoTime() + patience * 1_000_000L
        while (true) {
            val connection = URL(api + path).openConnection() as HttpURLConnection
            try {
                connection.requestMethod = "POST"
                connection.doOutput = true
                connection.connectTimeout = timeout
                connection.readTimeout = timeout
                connection.setRequestProperty("Content-Type", "application/octet-stream")
                connection.setFixedLengthStreamingMode(body.size)
                // A server that refuses may close before all is sent: its answer is read all the same.
                try {
                    connection.outputStream.use { it.write(body) }
                } catch (error: IOException) {
                    if (error is SocketTimeoutException || error is ConnectException) throw error
                }
                val status = connection.responseCode
                if (status == 200) return connection.inputStream.use { it.readBytes().decodeToString() }
                val text = connection.errorStream?.use { it.readBytes().decodeToString() } ?: ""
                val problem = problem(status, text)
                val after = connection.getHeaderField("Retry-After")?.toDoubleOrNull() ?: 0.0
                val wait = (maxOf(after, 0.5) * Random.nextDouble(1000.0, 1500.0)).toLong()
                val again = status == 503 && problem.code in setOf("busy", "stopping", "error")
                if (!again || System.nanoTime() + wait * 1_000_000 > until) throw problem
                Thread.sleep(wait)
            } catch (error: IOException) {
                if (error is Problem) throw error
                throw Problem(0, "unreachable", "No answer from $api: ${error.message}.")
            } finally {
                connection.disconnect()
            }
        }
    }

    private fun problem(status: Int, text: String): Problem = try {
        val said = JSONObject(text)
        Problem(status, said.getString("code"), said.getString("detail"))
    } catch (_: JSONException) {
        // What a proxy says itself is no JSON of the API's.
        Problem(status, "error", "The server answered $status.")
    }
}

fun main(words: Array<String>) {
    try {
        val answer = Loupe(words[0]).identify(File(words[1]).readBytes())
        println("${answer.answer} ${answer.candidates.map { "${it.label} ${it.probability}" }}")
    } catch (problem: Problem) {
        println(problem.message)
        exitProcess(1)
    }
}
