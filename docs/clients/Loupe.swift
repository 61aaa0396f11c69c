// A client of Loupe's HTTP API for iOS 15, macOS 12 and Linux; Foundation alone.
// Copy it into an app, or try it from a terminal:
//
//   swiftc -parse-as-library -D COMMAND Loupe.swift -o loupe
//   ./loupe http://localhost:8501 photo.jpg
//
//   let answer = try await Loupe(server: url).identify(jpeg)   // jpeg: Data

import Foundation
#if canImport(FoundationNetworking)
import FoundationNetworking
#endif

/// What a model says of a photo.
struct Answer: Decodable, Sendable {
    struct Candidate: Decodable, Sendable {
        let label: String
        let probability: Double
    }

    let photo: String
    let model: String
    let version: String
    let engine: String
    /// Empty: none of the things that the model knows. Several: a model with several labels a photo.
    let answer: [String]
    let candidates: [Candidate]
    /// nil: the model cannot tell what it does not know.
    let known: Bool?
    let novelty: Double?
    let plausible: [String]?

    private enum CodingKeys: String, CodingKey {
        case photo, model, version, engine, answer, candidates, known, novelty, plausible
    }

    init(from decoder: Decoder) throws {
        let values = try decoder.container(keyedBy: CodingKeys.self)
        photo = try values.decode(String.self, forKey: .photo)
        model = try values.decode(String.self, forKey: .model)
        version = try values.decode(String.self, forKey: .version)
        engine = try values.decode(String.self, forKey: .engine)
        candidates = try values.decode([Candidate].self, forKey: .candidates)
        known = try values.decodeIfPresent(Bool.self, forKey: .known)
        novelty = try values.decodeIfPresent(Double.self, forKey: .novelty)
        plausible = try values.decodeIfPresent([String].self, forKey: .plausible)
        // A label, a list of labels, or null.
        if let one = try? values.decode(String.self, forKey: .answer) {
            answer = [one]
        } else {
            answer = try values.decodeIfPresent([String].self, forKey: .answer) ?? []
        }
    }
}

/// A refusal (RFC 9457): `code` is stable and for programs, `detail` for people.
struct Problem: Error, Decodable, Sendable {
    let status: Int
    let code: String
    let detail: String
}

struct Loupe: Sendable {
    let server: URL
    /// Seconds without a byte.
    var timeout: TimeInterval = 60
    /// Seconds in all that are waited while the server is busy.
    var patience: TimeInterval = 30

    /// What is on a photo: its JPEG, PNG, WebP, HEIC, AVIF, GIF, BMP or TIFF bytes, 20 MB at most.
    func identify(_ photo: Data, model: String? = nil, top: Int = 5) async throws -> Answer {
        guard photo.count <= 20 * 1_048_576 else {
            throw Problem(status: 413, code: "too-large", detail: "This photo has more than 20 MB.")
        }
        let url = server.appendingPathComponent("api/v1/identify")
        var address = URLComponents(url: url, resolvingAgainstBaseURL: false)!
        address.queryItems = [URLQueryItem(name: "top", value: String(top))]
        if let model { address.queryItems!.append(URLQueryItem(name: "model", value: model)) }
        var request = URLRequest(url: address.url!, timeoutInterval: timeout)
        request.httpMethod = "POST"
        request.setValue("application/octet-stream", forHTTPHeaderField: "Content-Type")
        let data = try await send(request, photo)
        do {
            return try JSONDecoder().decode(Answer.self, from: data)
        } catch {
            // A proxy's own page, with 200.
            throw Problem(status: 0, code: "cut", detail: "This is no answer of Loupe.")
        }
    }

    private func send(_ request: URLRequest, _ body: Data) async throws -> Data {
        let until = Date().addingTimeInterval(patience)
        while true {
            let data: Data
            let response: URLResponse
            do {
                (data, response) = try await URLSession.shared.upload(for: request, from: body)
            } catch let error as URLError where error.code != .cancelled {
                throw Problem(
                    status: 0, code: "unreachable",
                    detail: "No answer from \(server): \(error.localizedDescription)")
            }
            let http = response as! HTTPURLResponse
            if http.statusCode == 200 { return data }
            // What a proxy says itself is no JSON of the API's.
            let problem = (try? JSONDecoder().decode(Problem.self, from: data)) ?? Problem(
                status: http.statusCode, code: "error",
                detail: "The server answered \(http.statusCode).")
            let after = http.value(forHTTPHeaderField: "Retry-After").flatMap(Double.init) ?? 0
            let wait = max(after, 0.5) * Double.random(in: 1...1.5)
            let again = http.statusCode == 503 && ["busy", "stopping", "error"].contains(problem.code)
            guard again, Date().addingTimeInterval(wait) < until else { throw problem }
            try await Task.sleep(nanoseconds: UInt64(wait * 1e9))
        }
    }
}

#if COMMAND
@main
enum Command {
    static func main() async throws {
        let words = CommandLine.arguments
        let photo = try Data(contentsOf: URL(fileURLWithPath: words[2]))
        do {
            print(try await Loupe(server: URL(string: words[1])!).identify(photo))
        } catch let problem as Problem {
            print("\(problem.code): \(problem.detail)")
            exit(1)
        }
    }
}
#endif
